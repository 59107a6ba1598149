package boltfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// filled makes a file with some hundred kilobytes in it and returns its path.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range byte(50) {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put([]byte{i}, bytes.Repeat([]byte{i}, 9000))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReopen(t *testing.T) {
	db, err := boltfile.Open(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	path := filled(t)
	db, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := boltfile.Open(path); !errors.Is(err, boltfile.ErrLocked) {
		t.Errorf("got %v", err)
	}
}

// TestCutFileIsRefused cuts the file at many places; without the check, bbolt would crash at most of them.
func TestCutFileIsRefused(t *testing.T) {
	path := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := int64(100); size < 300_000; size += 3333 {
		if err := errors.Join(os.WriteFile(path, whole, 0o600), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
		db, err := boltfile.Open(path)
		if err == nil {
			db.Close()
		}
		if !errors.Is(err, boltfile.ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", size, err)
		}
	}
}

func TestGarbageIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("garbage\n"), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := boltfile.Open(path); !errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("garbage: %v", err)
	}
	if _, err := boltfile.Open(filepath.Dir(path)); err == nil {
		t.Error("a folder was opened")
	}
}

// TestDamage opens files with random damage. What is opened can be read and changed; nothing else may happen than that
// it is refused.
func TestDamage(t *testing.T) {
	path := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for seed := range uint64(500) {
		damaged, what := damagetest.Damage(whole, seed)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := boltfile.Open(path)
		if err != nil {
			refused++
			if !errors.Is(err, boltfile.ErrDamaged) {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		db.NoSync = true
		if err := errors.Join(change(db), change(db), db.Close()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if db, err = boltfile.Open(path); err != nil {
			t.Fatalf("%s: opened, changed, and not sound any more: %v", what, err)
		}
		db.Close()
	}
	t.Logf("%d of 500 were refused", refused)
}

// change reads all, deletes some and puts some.
func change(db *boltfile.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("b"))
		if err != nil {
			return err
		}
		var keys [][]byte
		err = b.ForEach(func(k, _ []byte) error { keys = append(keys, bytes.Clone(k)); return nil })
		for _, k := range keys[:len(keys)/3] {
			err = errors.Join(err, b.Delete(k))
		}
		for i := range byte(5) {
			err = errors.Join(err, b.Put([]byte{100, i}, bytes.Repeat([]byte{i}, 3000)))
		}
		return err
	})
}

// TestDamageWhileOpen damages files that are open: the transaction that meets the damage ends in an error, as do all
// after it, and Close returns.
func TestDamageWhileOpen(t *testing.T) {
	path := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for seed := range uint64(100) {
		damaged, what := damagetest.Damage(whole, seed)
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := boltfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		db.NoSync = true
		if err := os.WriteFile(path, damaged, 0o600); err != nil { // the same file, which is mapped
			t.Fatal(err)
		}
		for range 3 {
			if err := change(db); err != nil {
				if broken++; !errors.Is(err, boltfile.ErrDamaged) || !errors.Is(change(db), boltfile.ErrDamaged) || db.Broken() == nil {
					t.Errorf("%s: %v", what, err)
				}
				break
			}
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	t.Logf("%d of 100 broke", broken)
}

// TestPanicOverSoundFile: a mistake of a program is not taken for damage.
func TestPanicOverSoundFile(t *testing.T) {
	db, err := boltfile.Open(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer func() {
		if p := recover(); p != "mistake" {
			t.Errorf("got %v", p)
		}
	}()
	_ = db.View(func(*bolt.Tx) error { panic("mistake") })
}

// TestUnfinishedFile: a file that was being made when the power failed is made anew.
func TestUnfinishedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, make([]byte, 4*os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(db), db.Close()); err != nil {
		t.Error(err)
	}
}

// TestFreeList opens a file with a list of its free pages again and again: bbolt must find the list right, and use the
// pages again.
func TestFreeList(t *testing.T) {
	path := filled(t)
	var sizes []int64
	for range 30 {
		db, err := boltfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if free := db.Stats().FreePageN; free == 0 {
			t.Error("bbolt knows no free pages")
		}
		err = db.View(func(tx *bolt.Tx) error {
			for err := range tx.Check() {
				t.Error(err)
			}
			return nil
		})
		if err := errors.Join(err, change(db), change(db), db.Close()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if sizes[29] > sizes[2]*2 {
		t.Errorf("the file grows with each opening: %d", sizes)
	}
}

// TestHeadersSwapped: bbolt would overwrite the newer one with its next transaction, and go back by one if it failed.
func TestHeadersSwapped(t *testing.T) {
	path := filled(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	swapped := slices.Concat(content[4096:8192], content[:4096], content[8192:])
	if err := os.WriteFile(path, swapped, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := boltfile.Open(path); !errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// TestMakeBuckets: a bucket that is missing beside an unknown one is not made, as its name may be damaged.
func TestMakeBuckets(t *testing.T) {
	db, err := boltfile.Open(filled(t)) // with a bucket "b"
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for names, ok := range map[string]bool{"b": true, "bc": true, "a": false} {
		err := db.Update(func(tx *bolt.Tx) error {
			var all [][]byte
			for i := range names {
				all = append(all, []byte(names[i:i+1]))
			}
			return errors.Join(boltfile.MakeBuckets(tx, all...), errRollback)
		})
		if damaged := errors.Is(err, boltfile.ErrDamaged); damaged == ok {
			t.Errorf("%s: %v", names, err)
		}
	}
}

var errRollback = errors.New("roll back")

// TestCountsOfNothing sets the number of elements of each page to 0, as one flipped bit may: an empty root would be an
// empty file.
func TestCountsOfNothing(t *testing.T) {
	path := filled(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for at := 2 * 4096; at < len(content); at += 4096 {
		damaged := bytes.Clone(content)
		clear(damaged[at+10 : at+12])
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := boltfile.Open(path)
		if err != nil {
			continue
		}
		err = db.View(func(tx *bolt.Tx) error {
			if b := tx.Bucket([]byte("b")); b == nil || b.Stats().KeyN != 50 {
				t.Errorf("page %d: opened, and not all is there", at/4096)
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Error(err)
		}
		opened++
	}
	t.Logf("%d of %d opened: those pages were not in use, or hold values", opened, len(content)/4096-2)
}
