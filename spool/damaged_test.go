package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// endingDisk is full from some transaction on.
type endingDisk struct {
	disk
	left int // transactions
}

func (d *endingDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	if d.left--; d.left < 0 {
		return syscall.ENOSPC
	}
	return d.disk.update(f, limit, fn)
}

// TestASpoolThatIsLostIsCountedAtOnce: wherever the disk was full while a spool that was lost was opened, the next one who
// opens it finds the loss, once.
func TestASpoolThatIsLostIsCountedAtOnce(t *testing.T) {
	if !boltfile.IsFull(syscall.ENOSPC) {
		t.Skip("this system does not tell a full disk")
	}
	for name, aside := range map[string]int{"emptied": 0, "set aside": 1} {
		t.Run(name, func(t *testing.T) {
			for n, failed := 0, true; failed; n++ {
				path := filepath.Join(damagetest.Dir(t), "spool.db")
				if aside == 0 {
					if err := os.WriteFile(path, nil, 0o600); err != nil {
						t.Fatal(err)
					}
				} else {
					damagedSpool(t, path)
				}
				o := Options{WhenDamaged: SetAsideDamaged}
				s, err := openOn(&endingDisk{left: n}, path, o)
				if failed = err != nil; failed {
					if !errors.Is(err, ErrDiskFull) {
						t.Errorf("after %d transactions: %v", n, err)
					}
					if s, err = Open(path, o); err != nil {
						t.Fatalf("after %d transactions: %v", n, err)
					}
				}
				list, _ := s.Losses()
				s.Close()
				if len(list) != 1 || list[0].Reason != SpoolLost || list[0].Times != 1 {
					t.Errorf("after %d transactions: %+v", n, list)
				}
				files, err := filepath.Glob(path + "?*")
				if err != nil || len(files) != aside {
					t.Errorf("after %d transactions there are %q beside it, %v", n, files, err)
				}
			}
		})
	}
}

// damagedSpool makes a spool at path of which only the first pages can be read.
func damagedSpool(t *testing.T, path string) {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(file[2*os.Getpagesize():])
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}
