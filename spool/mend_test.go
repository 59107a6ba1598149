package spool

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// longListDisk has no room for a list of free pages that is long.
type longListDisk struct{ disk }

func (d longListDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	if f.MustMend() {
		return bolterrors.ErrMaxSizeReached
	}
	return d.disk.update(f, limit, fn)
}

// TestNoRoomForTheListOfFreePages: the list need not be stored once the pages of all blocks were looked at.
func TestNoRoomForTheListOfFreePages(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	options := Options{MaxSize: 1 << 30, Logger: slog.New(slog.DiscardHandler)} // so that a page has 4 KiB
	s, err := Open(path, options)
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
	w, err := openSound(longListDisk{}, path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer w.file.Close()
	if !w.file.MustMend() {
		t.Fatal("the list is short: the test tests nothing")
	}
	end := w.file.End()
	if _, err := w.transact(task{settled: map[string]uint64{"a": 21}}); err != nil || w.file.End() != end {
		t.Errorf("%v; the file has %d bytes after %d", err, w.file.End(), end)
	}
}
