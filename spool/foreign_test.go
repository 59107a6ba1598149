package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestOthersFilesAreLeftAlone has a spool's path lead to files that others have made.
func TestOthersFilesAreLeftAlone(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"text": func(path string) error { return os.WriteFile(path, []byte("precious\n"), 0o600) },
		"bbolt": func(path string) error {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return errors.Join(db.Update(func(tx *bolt.Tx) error {
				b, err := tx.CreateBucket([]byte("logs"))
				return errors.Join(err, b.Put([]byte("a"), []byte("b")))
			}), db.Close())
		},
	} {
		path := filepath.Join(t.TempDir(), "spool.db")
		if err := write(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, remedy := range []Remedy{RefuseDamaged, RepairDamaged, SetAsideDamaged} {
			if s, err := Open(path, Options{WhenDamaged: remedy, MaxSize: -1}); !errors.Is(err, ErrForeign) {
				t.Errorf("%s, remedy %d: %v", name, remedy, err)
				if err == nil {
					s.Close()
				}
			}
		}
		for tool, run := range map[string]func(string) (*Report, error){"Inspect": Inspect, "Verify": Verify, "Repair": Repair} {
			if _, err := run(path); !errors.Is(err, ErrForeign) {
				t.Errorf("%s of %s: %v", tool, name, err)
			}
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(after, before) { // room may have been taken behind it
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}
