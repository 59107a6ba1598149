package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
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
	newest := func(root string) string {
		files, _ := filepath.Glob(filepath.Join(root, "d", "a_*.log"))
		return files[len(files)-1]
	}
	change := func(file string) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text[3] ^= 1
		return os.WriteFile(file, text, 0o600)
	}
	compressed := func(file, text string) error {
		var packed bytes.Buffer
		w, err := encoder(&packed, Zstd)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, text)
		return errors.Join(err, w.Close(), os.Remove(file), os.WriteFile(file+".zst", packed.Bytes(), 0o600))
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
		{"ActiveChanged", func(r string) error { return change(active(r)) }, "of what is committed in it: its bytes are not those", ""},
		{"RotatedCut", func(r string) error { return os.Truncate(rotated(r), 15) }, "it holds 15 bytes, 20 were written", ""},
		{"RotatedEmpty", func(r string) error { return os.Truncate(rotated(r), 0) }, "it holds 0 bytes", ""},
		{"RotatedLonger", func(r string) error { return appendTo(rotated(r), "x\n") }, "it holds 22 bytes, 20 were written", ""},
		{"RotatedChanged", func(r string) error { return change(rotated(r)) }, "its bytes are not those that were written", ""},
		{"OldestGone", func(r string) error { return os.Remove(rotated(r)) }, "", "1 of its oldest rotated files are gone"},
		{"NewestGone", func(r string) error { return os.Remove(newest(r)) }, "it is missing, while older ones are there", ""},
		{"Compressed", func(r string) error { return compressed(rotated(r), lines(alice, 1, 2, 10)) }, "", ""},
		{"CompressedOther", func(r string) error { return compressed(rotated(r), lines(alice, 2, 3, 10)) }, "its bytes are not those", ""},
		{"CompressedLess", func(r string) error { return compressed(rotated(r), lines(alice, 1, 1, 10)) }, "it holds 10 bytes, 20 were written", ""},
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

// TestVerifyFilesThatOthersBegan continues files whose checksum can't be known: what is said of them stays true.
func TestVerifyFilesThatOthersBegan(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T, root string) (next uint64){
		"AnotherProgram": func(t *testing.T, root string) uint64 {
			must(t, os.Mkdir(filepath.Join(root, "d"), 0o750), os.WriteFile(filepath.Join(root, "d/a.log"), []byte("old\nno newline"), 0o600))
			return 1
		},
		"CutWhileItRan": func(t *testing.T, root string) uint64 {
			s := open(t, root, Options{})
			mustAppend(t, s, numbered("d/a", alice, 1, 3, 10))
			mustCommit(t, s)
			must(t, os.Truncate(filepath.Join(root, "d/a.log"), 15))
			if _, _, err := s.Append(numbered("d/a", alice, 4, 4, 10)); err == nil {
				t.Error("nothing was noticed")
			}
			must(t, s.Close())
			return 4
		},
		"CutWhileItDidNot": func(t *testing.T, root string) uint64 {
			s := open(t, root, Options{})
			mustAppend(t, s, numbered("d/a", alice, 1, 3, 10))
			must(t, s.Close(), os.Truncate(filepath.Join(root, "d/a.log"), 15))
			s = open(t, root, Options{})
			must(t, s.Claim("d/a", 1)) // which notices it
			crash(t, s)
			return 4
		},
		"EarlierRelease": func(t *testing.T, root string) uint64 {
			s := open(t, root, Options{})
			mustAppend(t, s, numbered("d/a", alice, 1, 3, 10))
			mustCommit(t, s)
			must(t, s.ledger.db.Update(func(tx *bolt.Tx) error {
				record := bytes.Clone(tx.Bucket(bucketLogs).Get([]byte("d/a")))[:entrySizes[2]]
				record[0] = 2
				return errors.Join(tx.Bucket(bucketLogs).Put([]byte("d/a"), record), tx.DeleteBucket(bucketFiles))
			}), s.Close())
			return 4
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			next := begin(t, root)
			for _, size := range []int64{0, 100, 30} { // first without a rotation
				s := open(t, root, Options{Policy: Policy{MaxSize: size}})
				mustAppend(t, s, numbered("d/a", alice, next, next+4, 10))
				next += 5
				must(t, s.Close())
				v, err := Verify(t.Context(), root)
				if err != nil || len(v.Problems)+len(v.Notes) > 0 {
					t.Errorf("limit %d: %+v, %v", size, v, err)
				}
			}
			if n := len(files(t, root, "d/a")); n < 3 {
				t.Errorf("there are %d files", n)
			}
		})
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyFindsADamagedLedgerInUse overwrites a page of a ledger that a store has open.
func TestVerifyFindsADamagedLedgerInUse(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	for i := range 200 { // more than fit in one page
		mustAppend(t, s, numbered(fmt.Sprintf("d/log-with-a-long-name-%03d", i), alice, 1, 1, 10))
	}
	mustCommit(t, s)
	text, err := os.ReadFile(filepath.Join(root, ledgerName))
	must(t, err)
	pageSize := os.Getpagesize()
	for at := 2 * pageSize; at < len(text); at += pageSize { // pages that are in use, and not
		copy(text[at+16:], make([]byte, 16)) // its first element
	}
	must(t, os.WriteFile(filepath.Join(root, ledgerName), text, 0o600))
	v, err := Verify(t.Context(), root)
	if err == nil && len(v.Problems) == 0 {
		t.Errorf("nothing was found: %+v", v)
	}
	s.dismiss() // it is damaged, and can't be closed cleanly
}

func TestVerifyRefusesALaterLayout(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	must(t, s.ledger.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put(keyVersion, []byte{layoutVersion + 1})
	}), s.Close())
	if _, err := Verify(t.Context(), root); !errors.Is(err, ErrVersion) {
		t.Errorf("got %v", err)
	}
}

// TestAScribeMayStartWhileFilesAreVerified opens the root once its ledger was read.
func TestAScribeMayStartWhileFilesAreVerified(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("d/a", alice, 1, 1, 10))
	must(t, s.Close())
	v := &verifier{Verification: &Verification{Path: root}, known: map[string]struct{}{}}
	must(t, v.open())
	defer v.close()
	s = open(t, root, Options{Policy: Policy{MaxSize: 20}})
	mustAppend(t, s, numbered("d/a", alice, 2, 9, 10))
	mustCommit(t, s)
	must(t, v.log(t.Context(), "d/a"))
	if !v.InUse || len(v.Problems) > 0 {
		t.Errorf("%+v", v.Verification)
	}
}
