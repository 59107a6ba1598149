package store

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// mountSmall mounts an empty file system of 4 MiB, until the test ends.
func mountSmall(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("needs root to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestMinFreeDeletesTheOldestOfAllLogs has volumes of their own for the root and for a folder in it.
func TestMinFreeDeletesTheOldestOfAllLogs(t *testing.T) {
	root, c := t.TempDir(), newClock()
	mountSmall(t, root)
	mountSmall(t, filepath.Join(root, "other"))
	const width, large = 1000, 300_000
	s := open(t, root, Options{Policy: Policy{MaxSize: large}, MinFree: 1 << 20, Now: c.now, manual: true})
	write := func(log string, n uint64) {
		mustAppend(t, s, numbered(log, alice, (n-1)*large/width+1, n*large/width, width))
		c.Time = c.Add(time.Minute)
		mustCommit(t, s)
	}
	for n := range uint64(5) {
		write("other/c", n+1) // older than all on the other volume
		write("a", n+1)
		write("b", n+1)
	}
	tidy(t, s)
	if err := s.makeRoom(t.Context()); err != nil {
		t.Fatal(err)
	}
	if free, err := s.free("."); err != nil || free < 1<<20 {
		t.Errorf("%d bytes are free, %v", free, err)
	}
	// 3.0 of 4.2 MB are used on the first volume, of which at most 3.1 may be; on the second it is 1.5.
	for log, want := range map[string]int{"a": 5, "b": 5, "other/c": 5} {
		if got := len(files(t, root, log)); got != want {
			t.Errorf("%d files of %s, want %d", got, log, want)
		}
	}
	write("a", 6)
	write("b", 6)
	s.receive()
	if err := s.makeRoom(t.Context()); err != nil {
		t.Fatal(err)
	}
	for log, want := range map[string]int{"a": 5, "b": 5, "other/c": 5} {
		if got := len(files(t, root, log)); got != want {
			t.Errorf("%d files of %s, want %d", got, log, want)
		}
	}
	if got := s.Stats().Deleted[MinFree].Files; got != 2 {
		t.Errorf("%d files were deleted", got)
	}
}

func TestAFullDiskLeavesThePlainFile(t *testing.T) {
	root, c := t.TempDir(), newClock()
	mountSmall(t, root)
	s := open(t, root, compressing(c, Zstd))
	fill(t, s, c, "a", 1, 2)
	c.Time = c.Add(time.Hour)
	tidy(t, s)
	balloon := filepath.Join(root, "balloon")
	if err := os.WriteFile(balloon, make([]byte, 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	compressDue(t, s)
	wantAll(t, root, "a", lines(alice, 1, 2, 10), 0)
	if got := s.Stats().NotCompressed; got != 1 {
		t.Errorf("%d failures", got)
	}
	remove(t, balloon)
	compressDue(t, s)
	wantAll(t, root, "a", lines(alice, 1, 2, 10), 0) // not at once again
	c.Time = c.Add(retryAfter)
	compressDue(t, s)
	wantAll(t, root, "a", lines(alice, 1, 2, 10), 1)
}
