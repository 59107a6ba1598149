package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAMissingMountIsNoticed opens a root, then the empty folder that is there while its file system is not mounted, then
// one that holds another root.
func TestAMissingMountIsNoticed(t *testing.T) {
	at, elsewhere, o := filepath.Join(t.TempDir(), "logs"), filepath.Join(t.TempDir(), "logs"), Options{Notes: filepath.Join(t.TempDir(), "roots")}
	s := open(t, at, o)
	mustAppend(t, s, numbered("a", alice, 1, 3, 10))
	mustCommit(t, s)
	if err := errors.Join(s.Close(), os.Rename(at, elsewhere), os.Mkdir(at, 0o750)); err != nil {
		t.Fatal(err)
	}
	refused(t, at, o, "holds none")
	if left, err := os.ReadDir(at); err != nil || len(left) != 0 {
		t.Errorf("the folder beneath holds %v, %v", left, err)
	}

	if err := open(t, at, Options{}).Close(); err != nil { // what an earlier release would have left there
		t.Fatal(err)
	}
	refused(t, at, o, "holds that of root")

	if err := errors.Join(os.RemoveAll(at), os.Rename(elsewhere, at)); err != nil {
		t.Fatal(err)
	}
	s = open(t, at, o)
	wantCommitted(t, s, "a", alice, 3)

	// As the message says, who removes the note begins anew.
	if err := errors.Join(s.Close(), os.Rename(at, elsewhere), os.RemoveAll(o.Notes)); err != nil {
		t.Fatal(err)
	}
	open(t, at, o)
}

func refused(t *testing.T, path string, o Options, why string) {
	t.Helper()
	s, err := Open(path, o)
	if err == nil {
		s.Close()
		t.Fatal("it was opened")
	}
	if !errors.Is(err, ErrOtherRoot) || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), o.Notes) {
		t.Errorf("%v, want %q and the note's path", err, why)
	}
}

// TestADamagedNoteIsSaid: it does not pass for none.
func TestADamagedNoteIsSaid(t *testing.T) {
	at, o := t.TempDir(), Options{Notes: t.TempDir()}
	open(t, at, o).Close()
	n, err := noteFor(o.Notes, at)
	if err == nil {
		err = os.WriteFile(n.file, []byte("?"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Open(at, o); err == nil {
		s.Close()
		t.Error("it was opened")
	} else if !strings.Contains(err.Error(), n.file) {
		t.Error(err)
	}
}

// TestNotesAreNotNeeded: where none can be written the store opens all the same.
func TestNotesAreNotNeeded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, t.TempDir(), Options{Notes: filepath.Join(file, "roots")})
}
