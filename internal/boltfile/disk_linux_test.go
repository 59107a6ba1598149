package boltfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree"
)

// TestFullDiskWithoutRoomForTheList opens a file after a kill that has more free pages than a list of them is stored for, none
// of them side by side, on a disk without a free page. All pages must be looked at, and need not be once more.
func TestFullDiskWithoutRoomForTheList(t *testing.T) {
	path := filepath.Join(smallDisk(t, 96<<20), "x.db")
	f := openSized(t, path)
	const n, free = 14_000, 6500
	extend(t, f, 64<<20)
	err := f.Update(f.End(), func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(bucketSingles)
		for i := range n {
			err = errors.Join(err, boltfile.PutSingle(b, singleKey(i), make([]byte, 3000)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 2*free; i += 100 {
		var some []int
		for k := range 50 {
			some = append(some, i+2*k)
		}
		deleteSingles(t, f, some...)
	}
	used := func() int64 {
		used, err := f.Used()
		if err != nil {
			t.Fatal(err)
		}
		return used + f.Free()
	}
	for i, before := n, used(); used() == before; i++ { // until no run of free pages is long
		putSingles(t, f, i, 3*4096)
	}
	end := used()
	if err := errors.Join(f.DB.Close(), os.Truncate(path, end)); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filepath.Dir(path))

	f = openSized(t, path)
	if tree := treeOf(t, path); tree.HasFreeList() || f.Free() <= 4096*4096 {
		t.Fatal("there is a list of free pages, or it is short: the test tests nothing")
	}
	if f.MustMend() {
		t.Error("all pages are to be looked at once more")
	}
	deleteSingles(t, f, 1)
}

func treeOf(t *testing.T, path string) *bolttree.File {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := bolttree.Open(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// smallDisk mounts a file system of its own, of that many bytes, until the test ends.
func smallDisk(t *testing.T, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small disk to fill")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); err != nil {
		t.Skip("no small disk can be mounted here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk takes all pages of the small disk that are free.
func fillDisk(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
