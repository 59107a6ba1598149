package spool_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// disk mounts a file system of its own, of that many bytes, until the test ends.
func disk(t *testing.T, size int64) string {
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

// fillDisk writes a file until the disk is full, and returns its path.
func fillDisk(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := mib; size >= 1; size /= 2 {
		for err == nil {
			_, err = io.CopyN(f, rand.Reader, int64(size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
	return f.Name()
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in time: ", what)
		}
	}
}

// TestFullDiskDrainsAndShrinks fills a disk with a spool and another file, to the last byte. Then the receipts come.
func TestFullDiskDrainsAndShrinks(t *testing.T) {
	t.Parallel()
	const size = 64 * mib
	for _, maxSize := range []int64{-1, size, size / 2} {
		t.Run(fmt.Sprint(maxSize), func(t *testing.T) {
			t.Parallel()
			dir := disk(t, size)
			path := filepath.Join(dir, "spool.db")
			s := open(t, path, spool.Options{MaxSize: maxSize})
			logs := []string{"a", "b", "c"}
			for i := range 300 {
				add(t, s, incompressible(logs[i%3], 50_000))
			}
			fillDisk(t, dir)
			for _, log := range logs {
				fill(t, s, log, 50_000)
			}
			settleAll(s, logs...)
			eventually(t, "the file is small", func() bool { return onDisk(t, path) < size/10 })
			if s.Lines() != 0 {
				t.Errorf("%d lines are left", s.Lines())
			}
			add(t, s, draft("a", "goes on"))
			s.Close()
			q := open(t, path, spool.Options{MaxSize: maxSize}).Queue("a")
			if q.Lines() != 1 {
				t.Errorf("opened again: %+v", q)
			}
		})
	}
}

// TestFullDiskWaits takes the disk away from a spool that grows, for a while. Nothing may fail, be lost, or come twice.
func TestFullDiskWaits(t *testing.T) {
	t.Parallel()
	dir := disk(t, 16*mib)
	var said journal
	s := open(t, filepath.Join(dir, "spool.db"), spool.Options{Logger: said.logger()})
	other := fillDisk(t, dir)
	const callers, batches = 4, 60
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for range batches {
				if err := s.Append(t.Context(), spool.Batch{Drafts: []block.Draft{incompressible(fmt.Sprint(c), 40_000)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	eventually(t, "all calls wait", func() bool { return s.Stats().Waiting == callers })
	time.Sleep(3 * time.Second) // tries again meanwhile, and fails
	if n := strings.Count(said.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors were logged in three seconds:\n%s", n, said.String())
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	for c := range callers {
		if q := s.Queue(fmt.Sprint(c)); q.Lines() != batches {
			t.Errorf("log %d: %+v", c, q)
		}
	}
}

// TestFullDiskGivesUpWithTheCaller ends a call that waits for the disk.
func TestFullDiskGivesUpWithTheCaller(t *testing.T) {
	dir := disk(t, 4*mib)
	s := open(t, filepath.Join(dir, "spool.db"), spool.Options{})
	fillDisk(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Append(ctx, spool.Batch{Drafts: []block.Draft{incompressible("a", mib)}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestOpenOnAFullDisk opens spools on a disk without a free byte: one that was there, and that was killed, and one that has
// to be made.
func TestOpenOnAFullDisk(t *testing.T) {
	dir := disk(t, 8*mib)
	path := filepath.Join(dir, "spool.db")
	s := open(t, path, spool.Options{})
	add(t, s, incompressible("a", mib))
	s.Close()
	other := fillDisk(t, dir)
	s = open(t, path, spool.Options{})
	if blocks, _, err := s.Read(nil, nil, "a", 1, 1); err != nil || len(blocks) != 1 {
		t.Error("what it holds can't be shipped:", err)
	}
	settleAll(s, "a")
	eventually(t, "the spool is empty", func() bool { return s.Stats().BlockBytes == 0 })
	s.Close()

	made := filepath.Join(dir, "made.db")
	fillDisk(t, dir) // what the first has given back
	for range 3 {
		if _, err := spool.Open(made, spool.Options{}); !errors.Is(err, spool.ErrDiskFull) {
			t.Fatal(err)
		}
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	var said journal
	add(t, open(t, made, spool.Options{Logger: said.logger()}), draft("a", "x"))
	if said.String() != "" {
		t.Error(said.String())
	}
}
