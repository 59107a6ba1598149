package boltfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/logscribe/logscribe/internal/boltfile"
)

func openSized(t *testing.T, path string) *boltfile.Sized {
	t.Helper()
	f, err := boltfile.OpenSized(path, 0, bucketSingles, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// put stores n values of 20,000 bytes, or removes them if the byte is 0.
func put(n int, with byte) func(tx *bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("b"))
		for i := 0; i < n && err == nil; i++ {
			if key := []byte{byte(i)}; with == 0 {
				err = b.Delete(key)
			} else {
				err = b.Put(key, bytes.Repeat([]byte{with}, 20_000))
			}
		}
		return err
	}
}

func values(t *testing.T, f *boltfile.Sized, n int, with byte) {
	t.Helper()
	err := f.View(func(tx *bolt.Tx) error {
		for i := range n {
			if v := tx.Bucket([]byte("b")).Get([]byte{byte(i)}); !bytes.Equal(v, bytes.Repeat([]byte{with}, 20_000)) {
				t.Errorf("value %d is %d bytes, not 20,000 of %d", i, len(v), with)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func extend(t *testing.T, f *boltfile.Sized, length int64) {
	t.Helper()
	if err := f.Extend(length); err != nil {
		t.Fatal(err)
	}
}

func TestTransactionKeepsToTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f := openSized(t, path)
	extend(t, f, 100_000)
	if err := f.Update(f.End(), put(10, 'a')); !errors.Is(err, bolterrors.ErrMaxSizeReached) {
		t.Errorf("more than the file holds was stored: %v", err)
	}
	if err := f.Update(50_000, put(3, 'a')); !errors.Is(err, bolterrors.ErrMaxSizeReached) {
		t.Errorf("more than the limit was stored: %v", err)
	}
	extend(t, f, 400_000)
	if err := f.Update(f.End(), put(10, 'a')); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := f.Disk()
	if err != nil || info.Size() != f.End() || disk < f.End() {
		t.Errorf("the file has %d bytes, %d on the disk, instead of %d: %v", info.Size(), disk, f.End(), err)
	}
	values(t, f, 10, 'a')
}

func TestFreePagesAreGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f := openSized(t, path)
	extend(t, f, 2_000_000)
	for _, step := range []func(*bolt.Tx) error{put(60, 'a'), put(60, 0), put(3, 'b')} {
		if err := f.Update(f.End(), step); err != nil {
			t.Fatal(err)
		}
	}
	err := f.GiveBack()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system keeps them:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if disk, err := f.Disk(); err != nil || disk > 200_000 {
		t.Errorf("%d bytes are left on the disk, %v", disk, err)
	}
	values(t, f, 3, 'b')
	if err := f.Refill(); err != nil {
		t.Fatal(err)
	}
	if disk, err := f.Disk(); err != nil || disk < f.End() {
		t.Errorf("%d bytes on the disk of %d, %v", disk, f.End(), err)
	}
	if err := errors.Join(f.Update(f.End(), put(60, 'c')), f.Close()); err != nil {
		t.Fatal(err)
	}
	values(t, openSized(t, path), 60, 'c')
}

func TestConfirmKeepsTheNewest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f := openSized(t, path)
	extend(t, f, 2_000_000)
	for _, with := range []byte{'a', 'b', 'c'} {
		if err := errors.Join(f.Update(f.End(), put(5, with)), f.Confirm()); err != nil {
			t.Fatal(err)
		}
		values(t, f, 5, with)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	values(t, openSized(t, path), 5, 'c')
}

func TestForgetsMemory(t *testing.T) {
	f := openSized(t, filepath.Join(t.TempDir(), "x.db"))
	extend(t, f, 2_000_000)
	if err := errors.Join(f.Update(f.End(), put(5, 'a')), f.Forget()); err != nil {
		t.Fatal(err)
	}
	values(t, f, 5, 'a')
}

// TestReplacedFileIsNotTaken waits for the lock of a file that is replaced meanwhile.
func TestReplacedFileIsNotTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	old, replacement := openSized(t, path), openSized(t, path+".new")
	extend(t, replacement, 400_000)
	if err := replacement.Update(replacement.End(), put(1, 'n')); err != nil {
		t.Fatal(err)
	}
	type result struct {
		f   *boltfile.Sized
		err error
	}
	second := make(chan result)
	go func() {
		f, err := boltfile.OpenSized(path, 0, bucketSingles, nil)
		second <- result{f, err}
	}()
	time.Sleep(20 * time.Millisecond) // it waits for the lock now, for 100 ms at most
	if err := errors.Join(os.Rename(path+".new", path), old.Close(), replacement.Close()); err != nil {
		t.Fatal(err)
	}
	r := <-second
	if errors.Is(r.err, boltfile.ErrLocked) {
		t.Skip("the machine was too slow for this")
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.f.Close()
	values(t, r.f, 1, 'n')
}
