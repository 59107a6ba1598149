package store

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
)

// model is what a store of one log should be: a slice of lines, of which a part is committed.
type model struct {
	appended  []string
	committed int // number of lines
	last      map[block.Producer]uint64
	safe      map[block.Producer]uint64 // last, as of the last commit
	reached   map[string]string         // by source, the last checkpoint of the identity's blocks
	known     map[string]string         // reached, as of the last commit
	deleted   int                       // bytes that the retention has deleted, of the oldest lines
}

// TestModel drives a store with random blocks, resends, commits, clean stops and crashes, rotation by time, retention and
// compression, plain files and frames and changes between them, under a clock that jumps, and holds it against a slice of
// lines. A failing run prints the flag that repeats it.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp("", "store-model-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(root)
		clock := time.Unix(1_700_000_000, 0)
		o := Options{Now: func() time.Time { return clock }, manual: true, Policy: Policy{
			Form:          rapid.SampledFrom([]Form{Plain, Frames}).Draw(t, "form"),
			MaxSize:       rapid.Int64Range(8, 200).Draw(t, "max size"),
			RotateEvery:   rapid.SampledFrom([]time.Duration{0, 2 * time.Second, 5 * time.Second}).Draw(t, "rotate every"),
			KeepFiles:     rapid.SampledFrom([]int{0, 1, 4}).Draw(t, "keep files"),
			Compression:   rapid.SampledFrom([]Compression{Uncompressed, Zstd, Gzip}).Draw(t, "compression"),
			CompressAfter: 2 * time.Second,
		}}
		s, err := Open(root, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		m := model{last: map[block.Producer]uint64{}, safe: map[block.Producer]uint64{}, reached: map[string]string{}, known: map[string]string{}}
		reopen := func(t *rapid.T) {
			m.verify(t, root)
			o.Policy.Form = rapid.SampledFrom([]Form{Plain, Frames}).Draw(t, "form")
			if s, err = Open(root, o); err != nil {
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { m.append(t, s) },
			"commit": func(t *rapid.T) {
				mustCommitRapid(t, s)
				m.commit()
			},
			"stop": func(t *rapid.T) {
				s.Close()
				m.commit()
				reopen(t)
			},
			"crash": func(t *rapid.T) {
				s.mu.Lock()
				clear(s.dirty)
				s.mu.Unlock()
				s.Close()
				m.crash()
				reopen(t)
			},
			"clock": func(t *rapid.T) {
				clock = clock.Add(time.Duration(rapid.Int64Range(-5, 5).Draw(t, "seconds")) * time.Second)
			},
			"rotate": func(t *rapid.T) {
				if err := s.rotateQuiet(t.Context()); err != nil {
					t.Fatal(err)
				}
				m.commit()
			},
			"compress": func(t *rapid.T) {
				if s.archive != nil {
					s.receive()
					for _, j := range s.compressible() {
						s.compressOne(t.Context(), j)
					}
				}
			},
			"forget": func(t *rapid.T) {
				if err := s.forgetFiles(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"tidy": func(t *rapid.T) { m.tidy(t, s, root, o.Policy.KeepFiles) },
			"":     func(t *rapid.T) { m.check(t, s, root, o.Policy.MaxSize) },
		})
	})
}

// append sends a block that may repeat lines which were sent before.
func (m *model) append(t *rapid.T, s *Store) {
	p := rapid.SampledFrom([]block.Producer{alice, bob}).Draw(t, "producer")
	next := m.last[p] + 1
	first := next - min(rapid.Uint64Range(0, 5).Draw(t, "repeated"), next-1)
	last := first + rapid.Uint64Range(0, 8).Draw(t, "more")
	width := rapid.IntRange(8, 20).Draw(t, "width")
	source, value := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "source"), fmt.Sprint(p[15], last)
	codec := block.Codec(rapid.IntRange(0, 2).Draw(t, "codec"))
	if _, _, err := s.Append(reaching(asSent(s, numbered("d/a", p, first, last, width), codec), "web-7", source, value)); err != nil {
		t.Fatal(err)
	}
	if last >= next {
		m.reached[source] = value
	}
	for n := next; n <= last; n++ {
		m.appended = append(m.appended, line(p, n, width))
	}
	m.last[p] = max(m.last[p], last)
}

// verify holds what a stop or a crash has left against the ledger. Then it changes a byte somewhere, which must be found.
func (m *model) verify(t *rapid.T, root string) {
	v, err := Verify(t.Context(), root)
	if err != nil || len(v.Problems) > 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	var files []string // whose bytes are as they were written, and all committed
	for _, path := range rotatedFiles(t, root) {
		if isWritten(t, root, path) {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return
	}
	path := rapid.SampledFrom(files).Draw(t, "file to change")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := rapid.IntRange(0, len(text)-1).Draw(t, "byte to change")
	bit := byte(1) << rapid.IntRange(0, 7).Draw(t, "bit to change")
	flip := func() {
		text[at] ^= bit
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip()
	if v, err = Verify(t.Context(), root); err != nil || len(v.Problems) != 1 {
		t.Fatalf("byte %d of %s was changed: %+v, %v", at, path, v, err)
	}
	flip()
}

// isWritten says whether a rotated file is committed, and its bytes are those that the store has written: it was not
// compressed since.
func isWritten(t *rapid.T, root, file string) bool {
	v := &verifier{Verification: &Verification{Path: root}, known: map[string]struct{}{}}
	if err := v.open(); err != nil {
		t.Fatal(err)
	}
	defer v.close()
	_, at, extension, _ := logname.SplitRotated(file)
	record, ok := v.records["d/a"][at.UnixMicro()]
	return ok && record.form.extension() == extension
}

func (m *model) commit() {
	m.committed = len(m.appended)
	for p, n := range m.last {
		m.safe[p] = n
	}
	m.known = maps.Clone(m.reached)
}

func (m *model) crash() {
	m.appended = m.appended[:m.committed]
	clear(m.last)
	for p, n := range m.safe {
		m.last[p] = n
	}
	m.reached = maps.Clone(m.known)
}

// check holds files, sequences and sizes against the model.
func (m *model) check(t *rapid.T, s *Store, root string, maxSize int64) {
	for p, want := range m.safe {
		if got, _, err := s.Committed("d/a", p); err != nil || got != want {
			t.Fatalf("committed is %d, %v; want %d", got, err, want)
		}
	}
	remembered := map[string]string{}
	err := s.Checkpoints("web-7", func(part []SourceCheckpoint) error {
		for _, c := range part {
			remembered[c.Source] = string(c.Value)
		}
		return nil
	})
	if err != nil || !maps.Equal(remembered, m.known) {
		t.Fatalf("the checkpoints are %v, %v; want %v", remembered, err, m.known)
	}
	var got, want string
	for _, path := range append(rotatedFiles(t, root), filepath.Join(root, "d/a.log"), filepath.Join(root, "d/a.log.zst")) {
		p, err := inflate(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if size, parts := measured(t, path, p); size > maxSize && parts > 1 {
			t.Fatalf("%s has %d bytes", path, size)
		}
		got += p
	}
	for _, l := range m.appended {
		want += l
	}
	want = want[m.deleted:]
	if got != want {
		t.Fatalf("the files hold\n%s\nwant\n%s", got, want)
	}
}

// measured returns the size of a file that may not be there, and in how many parts, lines or frames, it was written. A
// compressed plain file has the size that it had.
func measured(t *rapid.T, path, content string) (size int64, parts int) {
	stored, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for rest := stored; len(rest) > 0; parts++ {
		n, _, ok := block.Frame(rest)
		if !ok {
			return int64(len(content)), block.CountLines([]byte(content))
		}
		rest = rest[n:]
	}
	return int64(len(stored)), parts
}

// tidy lets the retention do its work: it may delete none but the oldest committed rotated files, and no more than it must.
func (m *model) tidy(t *rapid.T, s *Store, root string, keep int) {
	if s.archive == nil {
		return
	}
	e, _, _, err := s.ledger.log("d/a")
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int // of the committed ones
	for _, path := range rotatedFiles(t, root) {
		_, at, _, _ := logname.SplitRotated(filepath.Base(path))
		p, err := inflate(path)
		if err != nil {
			t.Fatal(err)
		}
		if at.UnixMicro() <= e.rotated {
			sizes = append(sizes, len(p))
		}
	}
	if keep > 0 && len(sizes) > keep {
		for _, size := range sizes[:len(sizes)-keep] {
			m.deleted += size
		}
	}
	s.receive()
	if err := s.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.trimAll(t.Context())
}

// rotatedFiles returns the paths of the log's rotated files, oldest first.
func rotatedFiles(t *rapid.T, root string) []string {
	paths, err := filepath.Glob(filepath.Join(root, "d/a_*")) // sorted
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func mustCommitRapid(t *rapid.T, s *Store) {
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}
