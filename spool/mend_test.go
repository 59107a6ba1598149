package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// longListDisk has no room for a list of free pages that is long.
type longListDisk struct {
	disk
	full bool
}

func (d *longListDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	if d.full && f.MustMend() {
		if err := d.disk.update(f, limit, func(tx *bolt.Tx) error { return errors.Join(fn(tx), bolterrors.ErrMaxSizeReached) }); !isFull(err) {
			return err
		}
		return bolterrors.ErrMaxSizeReached
	}
	return d.disk.update(f, limit, fn)
}

// longList makes a spool with more free pages than a list of them is stored for, which holds blocks 21 to 25 of log "a".
func longList(t *testing.T) (path string, o Options) {
	t.Helper()
	path = filepath.Join(damagetest.Dir(t), "spool.db")
	o = Options{MaxSize: 1 << 30, Logger: slog.New(slog.DiscardHandler)} // so that a page has 4 KiB
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	line := append(bytes.Repeat([]byte{'x'}, 900_000), '\n')
	for range 25 {
		if err := s.Append(t.Context(), Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", line, block.None)}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Settle("a", 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, o
}

// openWriter opens a spool whose blocks' pages must be looked at, without its goroutine.
func openWriter(t *testing.T, d writable, path string, o Options) *writer {
	t.Helper()
	w, err := openSound(d, path, o, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.file.Close() })
	return w
}

// TestNoRoomForTheListOfFreePages: the list need not be stored once the pages of all blocks were looked at.
func TestNoRoomForTheListOfFreePages(t *testing.T) {
	path, o := longList(t)
	var d longListDisk
	w := openWriter(t, &d, path, o)
	if !w.file.MustMend() {
		t.Fatal("the list is short: the test tests nothing")
	}
	d.full = true
	end := w.file.End()
	if _, err := w.transact(task{settled: map[string]uint64{"a": 21}}); err != nil || w.file.End() != end {
		t.Errorf("%v; the file has %d bytes after %d", err, w.file.End(), end)
	}
}

// TestOpenWithoutRoomForTheListOfFreePages: nor is it when the spool is opened.
func TestOpenWithoutRoomForTheListOfFreePages(t *testing.T) {
	path, o := longList(t)
	w := openWriter(t, &longListDisk{full: true}, path, o)
	if q := w.queues["a"]; q.oldest != 21 || q.bytes < 5*900_000 || w.bytes != int64(q.bytes) {
		t.Errorf("%+v, %d bytes", q, w.bytes)
	}
}

// TestOpenWithoutRoomOnABadDisk: where the list has no room and the pages of a block can't be looked at, the spool is
// damaged, and what is done is up to the operator. It is not to be opened again and again.
func TestOpenWithoutRoomOnABadDisk(t *testing.T) {
	path, o := longList(t)
	_, err := openOn(badListDisk{&longListDisk{full: true}}, path, o)
	if !errors.Is(err, ErrDamaged) || errors.Is(err, ErrDiskFull) {
		t.Error(err)
	}
}

// badListDisk can't be read either.
type badListDisk struct{ *longListDisk }

func (d badListDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	f.Pages = deadPages{}
	return d.longListDisk.update(f, limit, fn)
}

// TestMendingPausesAfterAFailure: a disk that can't read a block's pages is not asked all the time.
func TestMendingPausesAfterAFailure(t *testing.T) {
	path, o := longList(t)
	w := openWriter(t, disk{}, path, o)
	sound := w.file.Pages
	w.file.Pages = deadPages{}
	if w.mending() == nil || w.mendSome() == nil || w.mending() != nil {
		t.Error("it goes on at once")
	}
	w.file.Pages = sound
	for range mendRetry {
		w.lookAfter()
	}
	if w.mending() == nil || w.mendRest() != nil || w.file.MustMend() {
		t.Error("it does not go on later")
	}
}

// TestCloseEndsMending: a spool that is closed does not look at all blocks before.
func TestCloseEndsMending(t *testing.T) {
	path, o := longList(t)
	var d longListDisk
	w := openWriter(t, &d, path, o)
	d.full = true
	close(w.closing)
	end := w.file.End()
	if _, err := w.transact(task{settled: map[string]uint64{"a": 21}}); !isFull(err) || !w.file.MustMend() || w.file.End() != end {
		t.Errorf("%v; the file has %d bytes after %d", err, w.file.End(), end)
	}
}

// failingDisk fails transactions once all of them is done.
type failingDisk struct {
	disk
	fails bool
}

func (d *failingDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	return d.disk.update(f, limit, func(tx *bolt.Tx) error {
		err := fn(tx)
		if d.fails && err == nil {
			err = syscall.EIO
		}
		return err
	})
}

// TestCompactsWhatCouldNotBeRemoved: a block that is copied already, and then was not removed after all, is no trouble.
func TestCompactsWhatCouldNotBeRemoved(t *testing.T) {
	path, o := longList(t)
	var d failingDisk
	w := openWriter(t, &d, path, o)
	if err := w.beginCompaction(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.copySome()
	}
	d.fails = true
	if _, err := w.transact(task{settled: map[string]uint64{"a": 21}}); !errors.Is(err, syscall.EIO) || w.compaction == nil {
		t.Fatal(err, w.compaction)
	}
	for w.compaction != nil {
		w.copySome()
	}
	blocks, _, err := w.Read(nil, nil, "a", 21, 10_000_000)
	if w.stats.Compactions != 1 || err != nil || len(blocks) != 5 {
		t.Errorf("%d compactions, %d blocks, %v", w.stats.Compactions, len(blocks), err)
	}
}

// TestMappedMemoryIsCounted: what is mended counts as in memory, and of large blocks that are read not their content.
func TestMappedMemoryIsCounted(t *testing.T) {
	path, o := longList(t)
	w := openWriter(t, disk{}, path, o)
	before := w.read.Load()
	if err := w.mendRest(); err != nil || w.read.Load() == before {
		t.Errorf("nothing is counted, %v", err)
	}
	before = w.read.Load()
	blocks, _, err := w.Read(nil, nil, "a", 21, 10_000_000)
	if n := w.read.Load() - before; err != nil || len(blocks) != 5 || n < 5 || n > 5*w.file.PageSize() {
		t.Errorf("%d bytes are counted for %d blocks, %v", n, len(blocks), err)
	}
}
