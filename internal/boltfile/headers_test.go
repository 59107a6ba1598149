package boltfile_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree"
)

// TestOverwrittenWhileOpen puts other content into a file that is open, whose pages are sound: that of another file, and
// its own of before. Nothing may be built upon that.
func TestOverwrittenWhileOpen(t *testing.T) {
	path, other := filled(t), filled(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	another, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"another file": another, "an earlier state": before, "nothing": nil, "a part": before[:65536]} {
		for _, idle := range []bool{true, false} {
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := boltfile.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := errors.Join(change(db), db.Check()); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if idle {
				err = db.Check()
			} else {
				err = change(db)
			}
			if !errors.Is(err, boltfile.ErrDamaged) || db.Broken() == nil || change(db) == nil {
				t.Errorf("%s, idle %v: got %v", name, idle, err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOwnTransactionsAreNotForeign changes a file in all ways that fail or not, and looks at it after each.
func TestOwnTransactionsAreNotForeign(t *testing.T) {
	db, err := boltfile.OpenSized(filled(t), 0, bucketSingles, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := func(n int) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte("b")).Put([]byte("x"), bytes.Repeat([]byte{1}, n)) }
	}
	for i := range 20 {
		_ = db.Update(db.End(), put(1000))
		_ = db.Update(db.End(), put(1<<20)) // finds no room
		_ = db.Update(db.End(), func(*bolt.Tx) error { return errRollback })
		if err := errors.Join(db.Confirm(), db.Check()); err != nil {
			t.Fatal(i, err)
		}
		if i == 10 {
			if err := errors.Join(db.GiveBack(), db.Refill(), db.Check()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFreeListOverwritten: bbolt would take the number of pages to free from the garbage.
func TestFreeListOverwritten(t *testing.T) {
	path := filled(t)
	db, err := boltfile.OpenSized(path, 0, bucketSingles, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	nothing := func(*bolt.Tx) error { return nil }
	if err := db.Update(db.End(), nothing); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := bolttree.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil || !tree.HasFreeList() {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xfe}, 4096), int64(tree.Meta().FreeList)*4096)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(db.End(), nothing); !errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
