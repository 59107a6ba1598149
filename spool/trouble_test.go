package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
)

// faultyDisk fails transactions: before anything is stored, or, as a disk does that fails at the last sync, after all
// is.
type faultyDisk struct {
	before, after atomic.Pointer[error]
}

func (d *faultyDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	if err := d.before.Load(); err != nil {
		return *err
	}
	err := f.Update(limit, fn)
	if failure := d.after.Load(); err == nil && failure != nil {
		return *failure
	}
	return err
}

func (d *faultyDisk) confirm(f *boltfile.Sized) error {
	if failure := d.after.Load(); failure != nil {
		return *failure
	}
	return f.Confirm()
}

// heal makes the disk work again after the time, which is not real.
func heal(fault *atomic.Pointer[error], after time.Duration) {
	time.AfterFunc(after, func() { fault.Store(nil) })
}

func one(log, line string) Batch {
	return Batch{
		Drafts:      []block.Draft{block.NewDraft(nil, log, []byte(line+"\n"), block.None)},
		Checkpoints: []Checkpoint{{Key: log, Value: []byte(line)}},
	}
}

// TestFailingDiskIsWaitedFor fails transactions with what disks say, at either moment. Each line must be stored once.
func TestFailingDiskIsWaitedFor(t *testing.T) {
	for _, failure := range []error{syscall.EIO, syscall.EROFS, syscall.ENOSPC} {
		for _, late := range []bool{false, true} {
			dir := t.TempDir()
			t.Run(fmt.Sprint(failure, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { failForAMinute(t, dir, failure, late) })
			})
		}
	}
}

func failForAMinute(t *testing.T, dir string, failure error, late bool) {
	var d faultyDisk
	var said bytes.Buffer
	path := filepath.Join(dir, "spool.db")
	s, err := openOn(&d, path, Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	fault := &d.before
	if late {
		fault = &d.after
	}
	for i := range 3 {
		fault.Store(&failure)
		heal(fault, time.Minute)
		if err := s.Append(t.Context(), one("a", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if fault.Load() != nil {
			t.Error("the batch was called stored while the disk failed")
		}
	}
	time.Sleep(30 * time.Second) // it takes a while to be sure
	s.Close()
	if n := strings.Count(said.String(), "level=ERROR"); n < 3 || n > 3*7 {
		t.Errorf("%d errors were logged in three minutes:\n%s", n, said.String())
	}
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	blocks, _, err := s.Read(nil, nil, "a", 1, 1<<20)
	if err != nil || len(blocks) != 3 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	for i, b := range blocks {
		if string(b.Payload) != fmt.Sprintf("%d\n", i) {
			t.Errorf("block %d is %q", i, b.Payload)
		}
	}
}

// TestGivenUpWhileTheDiskFails ends a call while the disk fails, at either moment: only if nothing of the batch can be
// stored any more, the error is the context's.
func TestGivenUpWhileTheDiskFails(t *testing.T) {
	for _, late := range []bool{false, true} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			var d faultyDisk
			s, err := openOn(&d, filepath.Join(dir, "spool.db"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			failure, fault := error(syscall.EIO), &d.before
			if late {
				fault = &d.after
			}
			fault.Store(&failure)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			err = s.Append(ctx, one("a", "x"))
			if want := map[bool]error{false: context.DeadlineExceeded, true: ErrUncertain}[late]; !errors.Is(err, want) {
				t.Errorf("late %v: %v", late, err)
			}
			fault.Store(nil)
			time.Sleep(5 * time.Second)
			if lines := s.Lines(); lines != map[bool]int64{false: 0, true: 1}[late] {
				t.Errorf("late %v: %d lines are stored", late, lines)
			}
		})
	}
}

// TestCloseWhileTheDiskFails closes the spool while a batch waits for the disk.
func TestCloseWhileTheDiskFails(t *testing.T) {
	for _, late := range []bool{false, true} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			var d faultyDisk
			s, err := openOn(&d, filepath.Join(dir, "spool.db"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			failure, fault := error(syscall.EIO), &d.before
			if late {
				fault = &d.after
			}
			fault.Store(&failure)
			time.AfterFunc(3*time.Second, func() { s.Close() })
			err = s.Append(t.Context(), one("a", "x"))
			if want := map[bool]error{false: ErrClosed, true: ErrUncertain}[late]; !errors.Is(err, want) {
				t.Errorf("late %v: %v", late, err)
			}
		})
	}
}
