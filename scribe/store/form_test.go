package store

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/internal/block"
)

var framed = Options{Policy: Policy{Form: Frames}}

// asSent returns the block in another codec, and without its lines if the intake would not decode them.
func asSent(s *Store, b Block, codec block.Codec) Block {
	d := block.NewDraft(nil, b.Log, b.Lines, codec)
	sealed := d.Seal(b.Producer, b.First)
	b.Block = &sealed
	if s.TakesFrame(b.Block) {
		b.Lines = nil
	}
	return b
}

// zipped is a block as an agent sends it that compresses with zstd.
func zipped(first, last uint64, width int) Block {
	b := numbered("d/a", alice, first, last, width)
	d := block.NewDraft(nil, b.Log, b.Lines, block.Zstd)
	sealed := d.Seal(alice, first)
	return Block{Block: &sealed}
}

// allFiles returns the names of the files of the log d/a, whatever their form, in the order of their lines.
func allFiles(t testing.TB, root string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "d/*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(f))
	}
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.Replace(a, "a.", "a~", 1), strings.Replace(b, "a.", "a~", 1))
	})
	return names
}

// wantLines checks what all files of the log d/a hold.
func wantLines(t testing.TB, root, want string) {
	t.Helper()
	var got strings.Builder
	for _, name := range allFiles(t, root) {
		text, err := inflate(filepath.Join(root, "d", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got.WriteString(text)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("wrong lines (-want +got):\n%s", diff)
	}
}

// active returns the active file of frames of the log d/a.
func active(t testing.TB, root string) []byte {
	t.Helper()
	p, err := os.ReadFile(filepath.Join(root, "d/a.log.zst"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFramesAreWrittenAsTheyCome appends blocks of each codec, and repeats some: what was compressed with zstd stands in the
// file as it was sent, unless it must be parted.
func TestFramesAreWrittenAsTheyCome(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, framed)
	first := zipped(1, 100, 50)
	if written := mustAppend(t, s, first); written != nil {
		t.Errorf("lines were decoded: %q", written)
	}
	if !bytes.Equal(active(t, root), first.Payload) {
		t.Error("the payload is not what stands in the file")
	}
	mustAppend(t, s, first)
	if written := mustAppend(t, s, zipped(91, 110, 50)); string(written) != lines(alice, 101, 110, 50) {
		t.Errorf("of an overlapping block %q was written", written)
	}
	mustAppend(t, s, numbered("d/a", alice, 111, 120, 50)) // in s2
	direct := asSent(s, numbered("d/a", alice, 121, 130, 50), block.None)
	direct.Lines = nil
	mustAppend(t, s, direct)
	if _, err := s.AppendLines("d/a", 0, []byte("direct\n")); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s)
	wantCommitted(t, s, "d/a", alice, 130)
	want := lines(alice, 1, 130, 50) + "direct\n"
	wantLines(t, root, want)
	frames := 0
	for rest := active(t, root); len(rest) > 0; frames++ {
		n, _, ok := block.Frame(rest)
		if !ok {
			t.Fatalf("no frame at byte %d", len(active(t, root))-len(rest))
		}
		rest = rest[n:]
	}
	if frames != 5 {
		t.Errorf("%d frames", frames)
	}
	if diff := cmp.Diff([]string{"a.log.zst"}, allFiles(t, root)); diff != "" {
		t.Error(diff)
	}
	for tool, want := range map[string]string{"zstdcat": want, "zstdgrep": "direct\n"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Log(err)
			continue
		}
		args := []string{filepath.Join(root, "d/a.log.zst")}
		if tool == "zstdgrep" {
			args = append([]string{"direct"}, args...)
		}
		if out, err := exec.Command(tool, args...).Output(); err != nil || string(out) != want {
			t.Errorf("%s reads %d bytes, %v", tool, len(out), err)
		}
	}
}

// TestUncommittedFramesAreCutOff crashes behind a commit, and within a frame.
func TestUncommittedFramesAreCutOff(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, framed)
	mustAppend(t, s, zipped(1, 10, 50))
	mustCommit(t, s)
	committed := active(t, root)
	mustAppend(t, s, zipped(11, 20, 50))
	crash(t, s)
	if err := os.Truncate(filepath.Join(root, "d/a.log.zst"), int64(len(committed)+20)); err != nil {
		t.Fatal(err)
	}
	s = open(t, root, framed)
	if !bytes.Equal(active(t, root), committed) {
		t.Error("the file was not cut back to the committed frame")
	}
	mustAppend(t, s, zipped(11, 20, 50))
	mustCommit(t, s)
	wantLines(t, root, lines(alice, 1, 20, 50))
}

// TestFramesAreNotPartedByRotation fills files up to their size on the disk.
func TestFramesAreNotPartedByRotation(t *testing.T) {
	root := t.TempDir()
	size := int64(len(zipped(1, 10, 50).Payload)) * 5 / 2 // two fit
	o := Options{Policy: Policy{Form: Frames, MaxSize: size, KeepFiles: 3}, manual: true}
	s := open(t, root, o)
	for n := range uint64(9) {
		mustAppend(t, s, zipped(1+10*n, 10+10*n, 50))
	}
	large := zipped(91, 600, 50) // larger than a file may be
	mustAppend(t, s, large)
	mustAppend(t, s, zipped(601, 610, 50))
	if int64(len(large.Payload)) <= size {
		t.Fatalf("%d bytes", len(large.Payload))
	}
	wantLines(t, root, lines(alice, 1, 610, 50))
	if n := len(allFiles(t, root)); n != 7 {
		t.Errorf("%d files", n)
	}
	for _, name := range allFiles(t, root) {
		if info, err := os.Stat(filepath.Join(root, "d", name)); err != nil || info.Size() > size && info.Size() != int64(len(large.Payload)) {
			t.Errorf("%s: %v, %v", name, info.Size(), err)
		}
	}
	crash(t, s) // which undoes all of that
	s = open(t, root, o)
	if diff := cmp.Diff([]string{"a.log.zst"}, allFiles(t, root)); diff != "" {
		t.Error(diff)
	}
	for n := range uint64(9) {
		mustAppend(t, s, zipped(1+10*n, 10+10*n, 50))
	}
	mustCommit(t, s)
	wantLines(t, root, lines(alice, 1, 90, 50))
	s.trim(s.receive()) // of the five files four are rotated, three are kept
	wantLines(t, root, lines(alice, 21, 90, 50))
	if jobs := s.compressible(); len(jobs) != 0 {
		t.Errorf("compressed again: %v", jobs)
	}
}

// TestFormChanges switches between the forms with a clean stop or a crash, and lets it be interrupted after each step.
func TestFormChanges(t *testing.T) {
	for _, from := range []Form{Plain, Frames} {
		to := map[Form]Form{Plain: Frames, Frames: Plain}[from]
		for name, interrupt := range map[string]func(t *testing.T, root string){
			"cleanly": func(*testing.T, string) {},
			"behind the rename": func(t *testing.T, root string) { // the ledger does not know of it
				rotated := from.rotated("d/a", time.Now().UnixMicro())
				if err := os.Rename(filepath.Join(root, from.active("d/a")), filepath.Join(root, rotated)); err != nil {
					t.Fatal(err)
				}
			},
		} {
			t.Run(string(from)+" "+name, func(t *testing.T) {
				root := t.TempDir()
				o := Options{Policy: Policy{Form: from, MaxSize: 400}}
				s := open(t, root, o)
				for n := range uint64(20) { // rotations, so that names are reserved
					mustAppend(t, s, zipped(1+10*n, 10+10*n, 50))
				}
				mustCommit(t, s)
				mustAppend(t, s, zipped(201, 210, 50)) // not committed
				crash(t, s)
				interrupt(t, root)
				o.Policy.Form = to
				s = open(t, root, o)
				wantLines(t, root, lines(alice, 1, 200, 50))
				if !exists(filepath.Join(root, from.active("d/a"))) {
					t.Error("the file of a log that nobody writes to was touched")
				}
				mustAppend(t, s, zipped(201, 210, 50))
				if exists(filepath.Join(root, from.active("d/a"))) || !exists(filepath.Join(root, to.active("d/a"))) {
					t.Errorf("the files are %q", allFiles(t, root))
				}
				for _, form := range []Form{to, from, to} { // nothing is committed but the change itself
					crash(t, s)
					o.Policy.Form = form
					s = open(t, root, o)
					wantCommitted(t, s, "d/a", alice, 200)
					wantLines(t, root, lines(alice, 1, 200, 50))
				}
				mustAppend(t, s, zipped(195, 210, 50))
				mustCommit(t, s)
				wantLines(t, root, lines(alice, 1, 210, 50))
				s.Close()
				o.Policy.Form = from // and back
				s = open(t, root, o)
				mustAppend(t, s, zipped(211, 220, 50))
				mustCommit(t, s)
				wantLines(t, root, lines(alice, 1, 220, 50))
				wantCommitted(t, s, "d/a", alice, 220)
			})
		}
	}
}

// TestFormChangesOfAnEmptyFile leaves no empty file behind.
func TestFormChangesOfAnEmptyFile(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	if err := s.Claim("d/a", 1); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, root, framed)
	mustAppend(t, s, zipped(1, 10, 50))
	mustCommit(t, s)
	if diff := cmp.Diff([]string{"a.log.zst"}, allFiles(t, root)); diff != "" {
		t.Error(diff)
	}
}

// TestFileOfBeforeAndFrames begins a log of frames where files stand already.
func TestFileOfBeforeAndFrames(t *testing.T) {
	for name, tc := range map[string]struct {
		plain, frames string
		want          string
	}{
		"plain":  {"old\nunended", "", "old\nunended\n"},
		"frames": {"", string(block.AppendFrame(nil, []byte("old\n"))), "old\n"},
		"both":   {"1\n", string(block.AppendFrame(nil, []byte("2\n"))), "2\n1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.Mkdir(filepath.Join(root, "d"), 0o750); err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"d/a.log": tc.plain, "d/a.log.zst": tc.frames} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, root, framed)
			mustAppend(t, s, zipped(1, 10, 50))
			crash(t, s)
			wantLines(t, root, tc.want+lines(alice, 1, 10, 50))
			s = open(t, root, framed)
			wantLines(t, root, tc.want)
			mustAppend(t, s, zipped(1, 10, 50))
			mustCommit(t, s)
			crash(t, s)
			open(t, root, framed)
			wantLines(t, root, tc.want+lines(alice, 1, 10, 50))
		})
	}
}

// TestWhatIsSetAsideStays interrupts a change of form behind the step that gives a foreign file another name, and goes on with
// a clock that was set back: that name must not pass for one of an uncommitted rotation.
func TestWhatIsSetAsideStays(t *testing.T) {
	root, c := t.TempDir(), newClock()
	o := Options{Policy: Policy{MaxSize: 600}, Now: c.now, manual: true}
	s := open(t, root, o)
	mustAppend(t, s, zipped(1, 20, 50)) // which reserves names
	mustCommit(t, s)
	s.Close()
	foreign := block.AppendFrame(nil, []byte("foreign\n"))
	if err := os.WriteFile(filepath.Join(root, "d/a.log.zst"), foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Policy.Form = Frames
	c.Time = c.Add(5 * time.Second)
	s = open(t, root, o)
	s.fdatasync = func(*os.File) error { return errors.New("no") }
	if _, _, err := s.Append(zipped(21, 30, 50)); err == nil {
		t.Fatal("the change was not interrupted")
	}
	crash(t, s)
	c.Time = c.Add(-4 * time.Second)
	for range 2 {
		s = open(t, root, o)
		mustAppend(t, s, zipped(21, 30, 50))
		mustCommit(t, s)
		crash(t, s)
	}
	open(t, root, o)
	var all string
	for _, name := range allFiles(t, root) {
		text, err := inflate(filepath.Join(root, "d", name))
		if err != nil {
			t.Error(err)
		}
		all += text
	}
	if strings.Count(all, "foreign\n") != 1 || strings.Replace(all, "foreign\n", "", 1) != lines(alice, 1, 30, 50) {
		t.Errorf("%q hold %s", allFiles(t, root), all)
	}
}

// TestFramesThatOthersHaveCut goes on in a new file behind a frame that was cut: what came behind it could not be read.
func TestFramesThatOthersHaveCut(t *testing.T) {
	for name, running := range map[string]bool{"while it ran": true, "while it was down": false} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			var logged bytes.Buffer
			o := Options{Policy: Policy{Form: Frames}, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
			s := open(t, root, o)
			mustAppend(t, s, zipped(1, 10, 50))
			mustAppend(t, s, zipped(11, 20, 50))
			mustCommit(t, s)
			if !running {
				s.Close()
			}
			cut := active(t, root)
			cut = cut[:len(cut)-5]
			if err := os.Truncate(filepath.Join(root, "d/a.log.zst"), int64(len(cut))); err != nil {
				t.Fatal(err)
			}
			if !running {
				s = open(t, root, o)
			} else {
				if _, _, err := s.Append(zipped(21, 30, 50)); err == nil {
					t.Error("nothing was noticed")
				}
				wantCommitted(t, s, "d/a", alice, 20)
			}
			mustAppend(t, s, zipped(21, 30, 50))
			crash(t, s)
			s = open(t, root, o)
			mustAppend(t, s, zipped(21, 30, 50))
			mustCommit(t, s)
			crash(t, s)
			s = open(t, root, o)
			mustAppend(t, s, zipped(31, 40, 50))
			mustCommit(t, s)
			if said := logged.String(); !strings.Contains(said, "shorter than what was committed") && !strings.Contains(said, "something else has changed the file") {
				t.Errorf("nothing was said: %s", logged.String())
			}
			names := allFiles(t, root)
			if len(names) != 2 {
				t.Fatalf("the files are %q", names)
			}
			if p, err := os.ReadFile(filepath.Join(root, "d", names[0])); err != nil || !bytes.HasPrefix(p, cut) {
				t.Errorf("the cut file has changed, %v", err)
			}
			if text, err := inflate(filepath.Join(root, "d/a.log.zst")); err != nil || text != lines(alice, 21, 40, 50) {
				t.Errorf("the new file holds %q, %v", text, err)
			}
		})
	}
}

// TestPayloadsThatAreNoFrames gives the store what calls itself zstd and is not, or not what its header says.
func TestPayloadsThatAreNoFrames(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, framed)
	mustAppend(t, s, zipped(1, 10, 50))
	mustCommit(t, s)
	before := active(t, root)
	for name, change := range map[string]func(*block.Block){
		"garbage":      func(b *block.Block) { b.Payload = []byte("garbage") },
		"empty":        func(b *block.Block) { b.Payload = nil },
		"cut":          func(b *block.Block) { b.Payload = b.Payload[:len(b.Payload)-1] },
		"size":         func(b *block.Block) { b.RawSize-- },
		"no such size": func(b *block.Block) { b.RawSize = 1 << 30 },
		"more lines":   func(b *block.Block) { b.Count = b.RawSize + 1 },
		"codec":        func(b *block.Block) { b.Codec = 77 },
	} {
		b := zipped(11, 20, 50)
		change(b.Block)
		if _, _, err := s.Append(b); !errors.Is(err, block.ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
		b = zipped(5, 14, 50) // a part of it is there already
		change(b.Block)
		if _, _, err := s.Append(b); !errors.Is(err, block.ErrPayload) {
			t.Errorf("%s, in part: %v", name, err)
		}
	}
	two := zipped(11, 20, 50) // sound, but none that is written as it is
	second := zipped(21, 30, 50)
	two.Count, two.RawSize, two.Payload = 20, 1000, append(two.Payload, second.Payload...)
	mustAppend(t, s, two)
	mustCommit(t, s)
	wantLines(t, root, lines(alice, 1, 30, 50))
	if n, content, ok := block.Frame(active(t, root)[len(before):]); !ok || n != len(active(t, root))-len(before) || content != 1000 {
		t.Errorf("two frames of one block became %d bytes, %v", n, ok)
	}
}

// TestVerifyFrames damages a root with files of frames in one way after the other.
func TestVerifyFrames(t *testing.T) {
	flip := func(path string, at int) error {
		p, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		p[at] ^= 1
		return os.WriteFile(path, p, 0o600)
	}
	for name, tc := range map[string]struct {
		damage  func(active, rotated string) error
		problem string // "" for none
		note    string
	}{
		"nothing":         {func(_, _ string) error { return nil }, "", ""},
		"a part of one":   {func(active, _ string) error { return appendTo(active, "(\xb5/\xfd") }, "", "bytes behind the"},
		"active cut":      {func(active, _ string) error { return os.Truncate(active, 20) }, "it has 20 bytes", ""},
		"active damaged":  {func(active, _ string) error { return flip(active, 30) }, "of what is committed in it: it can't be unpacked", ""},
		"rotated damaged": {func(_, rotated string) error { return flip(rotated, 30) }, "it can't be unpacked", ""},
		"not committed": {func(active, _ string) error {
			return os.Rename(active, strings.Replace(active, "a.log", "a_"+time.Now().UTC().Format("20060102T150405.000000Z")+".log", 1))
		}, "", "its rotation is not committed"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root, Options{Policy: Policy{Form: Frames, MaxSize: 100}})
			for n := range uint64(5) {
				mustAppend(t, s, zipped(1+10*n, 10+10*n, 50))
			}
			mustCommit(t, s)
			s.Close()
			rotated, err := filepath.Glob(filepath.Join(root, "d/a_*"))
			if err == nil {
				err = tc.damage(filepath.Join(root, "d/a.log.zst"), rotated[0])
			}
			if err != nil {
				t.Fatal(err)
			}
			v, err := Verify(t.Context(), root)
			if err != nil {
				t.Fatal(err)
			}
			for what, want := range map[*[]Finding]string{&v.Problems: tc.problem, &v.Notes: tc.note} {
				if found := *what; want == "" && len(found) > 0 || want != "" && (len(found) == 0 || !strings.Contains(found[len(found)-1].What, want)) {
					t.Errorf("found %v, want %q", found, want)
				}
			}
		})
	}
}
