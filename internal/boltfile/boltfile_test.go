package boltfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/logscribe/logscribe/internal/boltfile"
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
