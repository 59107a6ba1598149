package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOthersHandsOnAFile changes the active file behind the store's back, between two commits. Nothing is acknowledged
// that does not stand under the log's name.
func TestOthersHandsOnAFile(t *testing.T) {
	for name, c := range map[string]struct {
		meddle func(path string) error
		want   string // what the log's file holds in the end
	}{
		"removed": {os.Remove, lines(alice, 4, 5, 10)},
		"renamed": {func(p string) error { return os.Rename(p, p+".1") }, lines(alice, 4, 5, 10)},
		"replaced": {func(p string) error {
			return errors.Join(os.Rename(p, p+".1"), os.WriteFile(p, nil, 0o600))
		}, lines(alice, 4, 5, 10)},
		"written to": {func(p string) error { return appendTo(p, "foreign\n") }, lines(alice, 1, 5, 10)},
		"cut":        {func(p string) error { return os.Truncate(p, 10) }, lines(alice, 1, 1, 10) + lines(alice, 4, 5, 10)},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root, Options{})
			mustAppend(t, s, numbered("d/a", alice, 1, 3, 10))
			mustCommit(t, s)
			mustAppend(t, s, numbered("d/a", alice, 4, 4, 10))
			if err := c.meddle(filepath.Join(root, "d/a.log")); err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s)
			if got := s.Stats().Tampered; got != 1 {
				t.Errorf("it was counted %d times", got)
			}
			wantCommitted(t, s, "d/a", alice, 3) // line 4 is to be sent again
			mustAppend(t, s, numbered("d/a", alice, 4, 5, 10))
			if name == "cut" { // what was written since does not count yet, however long the file is again
				crash(t, s)
				s = open(t, root, Options{})
				mustAppend(t, s, numbered("d/a", alice, 4, 5, 10))
			}
			mustCommit(t, s)
			wantCommitted(t, s, "d/a", alice, 5)
			got, err := os.ReadFile(filepath.Join(root, "d/a.log"))
			if err != nil || string(got) != c.want {
				t.Errorf("the file holds %q, %v", got, err)
			}
			crash(t, s)
			open(t, root, Options{})
			if got, err := os.ReadFile(filepath.Join(root, "d/a.log")); err != nil || string(got) != c.want {
				t.Errorf("after a new start it holds %q, %v", got, err)
			}
		})
	}
}

// TestACutBetweenTwoAppends has the second one write to a file that others have just emptied. Its lines come again, and must
// not be there twice.
func TestACutBetweenTwoAppends(t *testing.T) {
	for _, form := range []Form{Plain, Frames} {
		root := t.TempDir()
		o := Options{Policy: Policy{Form: form}}
		s := open(t, root, o)
		mustAppend(t, s, numbered("a", alice, 1, 3, 10))
		mustCommit(t, s)
		mustAppend(t, s, numbered("a", alice, 4, 4, 10))
		if err := os.Truncate(filepath.Join(root, form.active("a")), 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Append(numbered("a", alice, 5, 6, 10)); err == nil {
			t.Error("nothing was noticed")
		}
		wantCommitted(t, s, "a", alice, 3)
		mustAppend(t, s, numbered("a", alice, 4, 6, 10))
		mustCommit(t, s)
		if text, err := inflate(filepath.Join(root, form.active("a"))); err != nil || text != lines(alice, 4, 6, 10) {
			t.Errorf("%s: the file holds %q, %v", form, text, err)
		}
	}
}

// TestWhatOthersWriteIsNoticed has others write to a file between two appends of a round, and while it is closed.
func TestWhatOthersWriteIsNoticed(t *testing.T) {
	for _, form := range []Form{Plain, Frames} {
		root := t.TempDir()
		s := open(t, root, Options{Policy: Policy{Form: form}})
		mustAppend(t, s, numbered("a", alice, 1, 3, 10))
		mustCommit(t, s)
		path := filepath.Join(root, form.active("a"))
		must(t, appendTo(path, "x"))
		if _, _, err := s.Append(numbered("a", alice, 4, 4, 10)); err == nil {
			t.Error("it was not noticed by the next append")
		}
		mustAppend(t, s, numbered("a", alice, 4, 4, 10))
		mustCommit(t, s)
		s.log("a").closeIfIdle()
		must(t, appendTo(path, "x"))
		mustAppend(t, s, numbered("a", alice, 5, 5, 10))
		mustCommit(t, s)
		if got := s.Stats().Tampered; got != 2 {
			t.Errorf("%s: it was counted %d times, want 2", form, got)
		}
		var text string
		for _, file := range append(rotatedOf(t, root), path) {
			part, err := inflate(file)
			must(t, err)
			text += part
		}
		if text != lines(alice, 1, 5, 10) {
			t.Errorf("%s: the files hold %q", form, text)
		}
	}
}

func rotatedOf(t *testing.T, root string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, "a_*"))
	must(t, err)
	return all
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// TestRemovedFolderIsMadeAgain takes a whole folder away.
func TestRemovedFolderIsMadeAgain(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("d/a", alice, 1, 1, 10))
	mustCommit(t, s)
	if err := os.RemoveAll(filepath.Join(root, "d")); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, numbered("d/a", alice, 2, 2, 10))
	mustCommit(t, s)
	wantCommitted(t, s, "d/a", alice, 1)
	mustAppend(t, s, numbered("d/a", alice, 2, 2, 10))
	mustCommit(t, s)
	wantCommitted(t, s, "d/a", alice, 2)
	wantContent(t, root, "d/a", lines(alice, 2, 2, 10))
}

// TestFileThatCannotBeLookedAtIsNotCut begins a log whose file is first a link out of the root, then a file.
func TestFileThatCannotBeLookedAtIsNotCut(t *testing.T) {
	root, outside := t.TempDir(), filepath.Join(t.TempDir(), "x")
	path := filepath.Join(root, "a.log")
	if err := errors.Join(os.WriteFile(outside, []byte("old\n"), 0o600), os.Symlink(outside, path)); err != nil {
		t.Fatal(err)
	}
	s := open(t, root, Options{})
	if _, _, err := s.Append(numbered("a", alice, 1, 1, 10)); err == nil {
		t.Error("a link out of the root was followed")
	}
	if err := os.Rename(outside, path); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, numbered("a", alice, 1, 1, 10))
	mustCommit(t, s)
	wantContent(t, root, "a", "old\n"+line(alice, 1, 10))
}

// TestFewFilesAreOpen uses more logs than may have their files open.
func TestFewFilesAreOpen(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	s.maxOpen = 8
	for n := uint64(1); n <= 3; n++ {
		for i := range 40 {
			mustAppend(t, s, numbered(fmt.Sprint("d/", i), alice, n, n, 10))
			if open := s.open.Load(); open > 8 {
				t.Fatalf("%d files are open", open)
			}
		}
	}
	mustCommit(t, s)
	for i := range 40 {
		wantContent(t, root, fmt.Sprint("d/", i), lines(alice, 1, 3, 10))
	}
	if open := s.open.Load(); open > 8 || open < 1 {
		t.Errorf("%d files are open", open)
	}
}

// TestLogBetweenDirtyAndRoundStaysOpen looks for a file to close in the moment in which a round has begun and has not
// taken the log's snapshot.
func TestLogBetweenDirtyAndRoundStaysOpen(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	ticket, err := s.AppendLines("a", 0, []byte("x\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	clear(s.dirty)
	s.mu.Unlock()
	l := s.log("a")
	l.closeIfIdle()
	snap := l.snapshot()
	if snap == nil {
		t.Fatal("the log was closed, with lines that are not committed")
	}
	s.commit([]*snapshot{snap}, nil)
	if err := ticket.Lost(); err != nil {
		t.Error(err)
	}
}

// TestRotationDuringARoundKeepsItsFile rotates so often while a round runs that files are synced ahead of it.
func TestRotationDuringARoundKeepsItsFile(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 10}})
	mustAppend(t, s, numbered("a", alice, 1, 1, 10))
	snap := s.log("a").snapshot() // a round begins
	mustAppend(t, s, numbered("a", alice, 2, 200, 10))
	s.commit([]*snapshot{snap}, nil)
	wantCommitted(t, s, "a", alice, 1)
	mustCommit(t, s)
	wantCommitted(t, s, "a", alice, 200)
	wantContent(t, root, "a", lines(alice, 1, 200, 10))
}

// TestRoundSyncsTheFolderOfItsRotations rotates after a round began and before it takes the log's snapshot.
func TestRoundSyncsTheFolderOfItsRotations(t *testing.T) {
	s := open(t, t.TempDir(), Options{Policy: Policy{MaxSize: 10}})
	mustAppend(t, s, numbered("d/a", alice, 1, 1, 10))
	mustCommit(t, s)
	l := s.log("d/a")
	s.changed(l, 1)
	l.mu.Lock() // the round waits here for its snapshot
	s.wantRound()
	running := func() *round {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.running
	}
	for deadline := time.Now().Add(10 * time.Second); running() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no round began")
		}
	}
	r := running()
	if err := l.write([]byte(strings.Repeat("x", 9) + "\n")); err != nil {
		t.Fatal(err)
	}
	l.mu.Unlock()
	<-r.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, left := s.folders["d"]; left {
		t.Error("the rotation is committed, and its folder is not synced")
	}
}
