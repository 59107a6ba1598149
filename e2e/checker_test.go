package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/logscribe/logscribe/internal/block"
)

// inflater reads compressed files.
var inflater = func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err) // there are no options that could be wrong
	}
	return d
}()

// source is what was written to a log. The lines of a source that shares its log with others begin with its tag.
type source struct {
	tag   string
	bytes func() []byte
}

// expectation is what the files of a log must hold in the end.
type expectation struct {
	log     string
	sources []source
}

// size returns the number of bytes that were written.
func (e expectation) size() int64 {
	var n int64
	for _, s := range e.sources {
		n += int64(len(s.bytes()))
	}
	return n
}

// outputFiles returns the files of a log below a root, oldest first: the rotated ones in the order of their names, then
// the active one. A plain file counts for its compressed copy while both are there.
func outputFiles(t testing.TB, root, log string) []string {
	t.Helper()
	dir, base := filepath.Join(root, filepath.Dir(log)), filepath.Base(log)
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries { // in the order of their names
		name := strings.TrimSuffix(e.Name(), ".zst")
		plain := filepath.Join(dir, name)
		if strings.HasPrefix(name, base+"_") && strings.HasSuffix(name, ".log") && (len(files) == 0 || files[len(files)-1] != plain) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	for _, active := range []string{base + ".log", base + ".log.zst"} {
		if active = filepath.Join(dir, active); exists(active) {
			files = append(files, active)
		}
	}
	return files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// outputSize returns the bytes of all lines in the files of a log, below all roots.
func outputSize(t testing.TB, roots []string, log string) int64 {
	t.Helper()
	var n int64
	for _, root := range roots {
		for _, file := range outputFiles(t, root, log) {
			n += linesSize(file)
		}
	}
	return n
}

// output returns the log's bytes. The test fails if they lie below more than one root.
func output(t testing.TB, roots []string, log string) []byte {
	t.Helper()
	var all []byte
	var owner string
	for _, root := range roots {
		files := outputFiles(t, root, log)
		if len(files) > 0 && owner != "" {
			t.Errorf("log %s lies below two roots: %s and %s", log, owner, root)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, ".zst") {
				text = inflated(file, text)
			}
			all = append(all, text...)
			owner = root
		}
	}
	return all
}

// inflated returns what a compressed file holds, without what of it is not whole yet at its end. Damage stands there in words.
func inflated(file string, text []byte) []byte {
	var all []byte
	for len(text) > 0 {
		n, _, ok := block.Frame(text)
		if !ok {
			n = len(text)
		}
		lines, err := inflater.DecodeAll(text[:n], nil)
		switch {
		case err == nil:
			all, text = append(all, lines...), text[n:]
		case errors.Is(err, io.ErrUnexpectedEOF):
			return all
		default:
			return fmt.Appendf(all, "⟨%s: %v, %d bytes from its end⟩\n", file, err, len(text))
		}
	}
	return all
}

// unreadable returns the compressed files of the logs that the tools would not read to their end. Nobody writes to them.
func unreadable(t testing.TB, roots []string, logs ...string) (found []*difference) {
	t.Helper()
	for _, root := range roots {
		for _, log := range logs {
			for _, file := range outputFiles(t, root, log) {
				text, err := os.ReadFile(file)
				if err == nil && strings.HasSuffix(file, ".zst") {
					_, err = inflater.DecodeAll(text, nil)
				}
				if err != nil {
					found = append(found, &difference{log: log, report: fmt.Sprintf("%s: %v", file, err)})
				}
			}
		}
	}
	return found
}

// rootOf returns the root below which the log has files, "" if there is none.
func rootOf(roots []string, log string) string {
	for _, root := range roots {
		if active := filepath.Join(root, log+".log"); exists(active) || exists(active+".zst") {
			return root
		}
	}
	return ""
}

// difference is the first place at which a log's files are not what was written.
type difference struct {
	log    string
	offset int64
	// missing says that the files end there: all that they hold is right.
	missing bool
	report  string
}

func (d *difference) String() string { return d.report }

// compare returns the first difference of what arrived, nil if there is none.
func compare(e expectation, got []byte) *difference {
	if len(e.sources) == 1 {
		return compareBytes(e.log, e.sources[0].bytes(), got)
	}
	parts := make([][]byte, len(e.sources))
	for line := range bytes.SplitAfterSeq(got, []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		i := slices.IndexFunc(e.sources, func(s source) bool { return bytes.HasPrefix(line, []byte(s.tag)) })
		if i < 0 {
			return &difference{log: e.log, report: fmt.Sprintf("log %s has a line that no source has written: %s", e.log, excerpt(line, 0))}
		}
		parts[i] = append(parts[i], line...)
	}
	var missing *difference
	for i, s := range e.sources {
		d := compareBytes(e.log+", the lines of "+s.tag, s.bytes(), parts[i])
		if d != nil && !d.missing {
			return d
		}
		if d != nil {
			missing = d
		}
	}
	return missing
}

func compareBytes(log string, want, got []byte) *difference {
	n := min(len(want), len(got))
	at := n
	for i := 0; i < n; i += 4096 {
		end := min(i+4096, n)
		if bytes.Equal(want[i:end], got[i:end]) {
			continue
		}
		for at = i; want[at] == got[at]; at++ {
		}
		break
	}
	if at == len(want) && at == len(got) {
		return nil
	}
	d := &difference{log: log, offset: int64(at), missing: at == len(got)}
	d.report = fmt.Sprintf("log %s differs from what was written, first at byte %d (line %d); written %d bytes in %d lines, arrived %d in %d: %s\n want %s\n got  %s",
		log, at, 1+bytes.Count(want[:at], []byte{'\n'}), len(want), bytes.Count(want, []byte{'\n'}),
		len(got), bytes.Count(got, []byte{'\n'}), diagnosis(want, got, at), excerpt(want, at), excerpt(got, at))
	return d
}

// diagnosis guesses what has happened from where the differing line stands in what was written.
func diagnosis(want, got []byte, at int) string {
	if at == len(got) {
		return fmt.Sprintf("the last %d bytes have not arrived", len(want)-at)
	}
	begin := bytes.LastIndexByte(got[:at], '\n') + 1
	here := got[begin:min(len(got), begin+300)]
	if at == len(want) {
		return "bytes beyond the end arrived"
	}
	if i := bytes.Index(want[at:], here); i >= 0 {
		return fmt.Sprintf("%d bytes are missing here", at+i-begin)
	}
	if i := bytes.LastIndex(want[:min(at+len(here), len(want))], here); i >= 0 {
		return fmt.Sprintf("what stands here was written %d bytes earlier: a duplicate", begin-i)
	}
	return "what stands here was never written"
}

// excerpt quotes what stands around an offset.
func excerpt(text []byte, at int) string {
	from, to := max(0, at-120), min(len(text), at+200)
	return fmt.Sprintf("%.220q ⟨here⟩ %.320q", text[from:at], text[at:to])
}

// listing returns the names and sizes of all files below a folder, for reports.
func listing(dir string) string {
	var b strings.Builder
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(&b, "%10d %s\n", info.Size(), path)
		}
		return nil
	})
	return b.String()
}
