package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// snapshotOf returns the names, sizes and times of all files below root.
func snapshotOf(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestVerify damages a root in one way after the other.
func TestVerify(t *testing.T) {
	rotated := func(root string) string {
		files, _ := filepath.Glob(filepath.Join(root, "d", "a_*.log"))
		return files[0]
	}
	active := func(root string) string { return filepath.Join(root, "d", "a.log") }
	appendTo := func(file, text string) error {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
	for _, tc := range []struct {
		name    string
		damage  func(root string) error
		problem string // "" for none
		note    string
	}{
		{"Nothing", func(string) error { return nil }, "", ""},
		{"ActiveCut", func(r string) error { return os.Truncate(active(r), 10) }, "it has 10 bytes, 20 are committed", ""},
		{"ActiveGone", func(r string) error { return os.Remove(active(r)) }, "it is missing, with 20 committed bytes", ""},
		{"ActiveLonger", func(r string) error { return appendTo(active(r), "abc") }, "", "3 bytes behind the 20 that are committed are not"},
		{"ActiveIsAFolder", func(r string) error { return errors.Join(os.Remove(active(r)), os.Mkdir(active(r), 0o750)) }, "it is no regular file", ""},
		{"ActiveIsALink", func(r string) error {
			return errors.Join(os.Rename(active(r), filepath.Join(r, "x")), os.Symlink("../x", active(r)))
		}, "it is no regular file", "x: the ledger knows of no log"},
		{"RotatedCut", func(r string) error { return os.Truncate(rotated(r), 15) }, "it does not end in a newline", ""},
		{"RotatedEmpty", func(r string) error { return os.Truncate(rotated(r), 0) }, "it does not end in a newline", ""},
		{"NotCompressed", func(r string) error { return os.Rename(rotated(r), rotated(r)+".zst") }, "it can't be unpacked", ""},
		{"Stranger", func(r string) error { return os.WriteFile(filepath.Join(r, "x"), nil, 0o600) }, "", "x: the ledger knows of no log"},
		{"Temporary", func(r string) error { return os.WriteFile(temporary(rotated(r))+"", nil, 0o600) }, "", "an interrupted compression has left it"},
		{"Ledger", func(r string) error {
			f, err := os.OpenFile(filepath.Join(r, ledgerName), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 4096), 3*4096)
			return errors.Join(err, f.Close())
		}, "", ""}, // which page that is, is not always the same
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root, Options{Policy: Policy{MaxSize: 20}})
			mustAppend(t, s, numbered("d/a", alice, 1, 6, 10))
			mustAppend(t, s, numbered("b", bob, 1, 1, 10))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := tc.damage(root); err != nil {
				t.Fatal(err)
			}
			before := snapshotOf(t, root)
			v, err := Verify(t.Context(), root)
			if diff := cmp.Diff(before, snapshotOf(t, root)); diff != "" {
				t.Errorf("it has changed something:\n%s", diff)
			}
			if tc.name == "Ledger" {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			expectFinding(t, "problem", v.Problems, tc.problem)
			expectFinding(t, "note", v.Notes, tc.note)
			if v.Logs != 2 || v.Producers != 2 || v.Root == "" {
				t.Errorf("%+v", v)
			}
		})
	}
}

// expectFinding expects one finding with that in it, or none.
func expectFinding(t *testing.T, kind string, got []Finding, want string) {
	t.Helper()
	switch {
	case want == "" && len(got) == 0:
	case want != "" && len(got) == 1 && strings.Contains(got[0].File+": "+got[0].What, want):
	default:
		t.Errorf("%s: got %v, want %q", kind, got, want)
	}
}

// TestVerifyAfterACrash verifies what a crash has left, with rotations that are not committed.
func TestVerifyAfterACrash(t *testing.T) {
	root := t.TempDir()
	o := Options{Policy: Policy{MaxSize: 20}}
	s := open(t, root, o)
	mustAppend(t, s, numbered("a", alice, 1, 5, 10))
	mustCommit(t, s)
	mustAppend(t, s, numbered("a", alice, 6, 10, 10)) // the committed line is in a rotated file now
	crash(t, s)
	v, err := Verify(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Problems) > 0 || len(v.Notes) < 3 {
		t.Errorf("%+v", v)
	}
	s = open(t, root, o)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err = Verify(t.Context(), root); err != nil || len(v.Problems)+len(v.Notes) > 0 {
		t.Errorf("after the recovery: %+v, %v", v, err)
	}
}

// TestVerifyInUse verifies again and again while lines are written, rotated and committed.
func TestVerifyInUse(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 100, KeepFiles: 20, Compression: Zstd}})
	var writing sync.WaitGroup
	done := make(chan struct{})
	writing.Go(func() {
		for n := uint64(1); ; n += 10 {
			select {
			case <-done:
				return
			default:
			}
			mustAppend(t, s, numbered("d/a", alice, n, n+9, 10))
			if n%30 == 1 {
				mustCommit(t, s)
			}
		}
	})
	for range 20 {
		v, err := Verify(t.Context(), root)
		if err != nil {
			t.Error(err)
			break
		}
		if !v.InUse || len(v.Problems) > 0 {
			t.Errorf("%+v", v)
			break
		}
	}
	close(done)
	writing.Wait()
}

func TestVerifyWithoutALedger(t *testing.T) {
	root := t.TempDir()
	_, err := Verify(t.Context(), root)
	if err == nil || !strings.Contains(err.Error(), "is this the root of a Scribe?") {
		t.Error(err)
	}
	if left := snapshotOf(t, root); len(left) != 1 {
		t.Errorf("it has made %v", left)
	}
}
