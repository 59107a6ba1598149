package spool

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
)

// TestRecordsThatContradictTheBlocks changes records of logs, with the right checksum, and keys of blocks.
func TestRecordsThatContradictTheBlocks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(q *queue, b blocks) error
		refuse bool
	}{
		"nothing":             {func(*queue, blocks) error { return nil }, false},
		"another size":        {func(q *queue, _ blocks) error { q.bytes = 1 << 60; return nil }, false},
		"ends too early":      {func(q *queue, _ blocks) error { q.next = 4; return nil }, true},
		"ends within a block": {func(q *queue, _ blocks) error { q.next = 6; return nil }, true},
		"begins too late":     {func(q *queue, _ blocks) error { q.oldest = 3; return nil }, true},
		"another number":      {func(q *queue, _ blocks) error { q.id = 2; return nil }, true},
		"number 0":            {func(q *queue, _ blocks) error { q.id = 0; return nil }, true},
		"block of no log":     {func(_ *queue, b blocks) error { return b.Put(blockKey(9, 1), []byte("x")) }, true},
		"no block's key":      {func(_ *queue, b blocks) error { return b.Put([]byte("x"), []byte("x")) }, true},
		"two keys": {func(_ *queue, b blocks) error {
			own := b.bucket.Bucket(blockKey(1, 3))
			return errors.Join(own.Delete(blockKey(1, 3)), own.Put(blockKey(1, 2), []byte("x")))
		}, true},
		"a block is missing": {func(_ *queue, b blocks) error { return b.Delete(blockKey(1, 1)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "spool.db")
			s := spoolOf(t, path, "1\n2\n", "3\n4\n", "5\n6\n")
			size := s.size()
			s.Close()
			changeSpool(t, path, c.change)
			s, err := Open(path, Options{})
			if err == nil {
				defer s.Close()
			}
			if refused := errors.Is(err, ErrDamaged); refused != c.refuse || err != nil && !refused {
				t.Fatalf("got %v", err)
			}
			if name == "another size" && s.size() != size {
				t.Errorf("the size is %d, not %d", s.size(), size)
			}
		})
	}
}

// spoolOf makes a spool with a block of log "a" for each text.
func spoolOf(t *testing.T, path string, texts ...string) *Spool {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		batch := Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", []byte(text), block.None)}}
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// changeSpool changes the record of log "a", and the blocks.
func changeSpool(t *testing.T, path string, change func(q *queue, b blocks) error) {
	t.Helper()
	db, err := boltfile.OpenSized(path, 0, bucketBlocks, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(db.End(), func(tx *bolt.Tx) error {
		queues := tx.Bucket(bucketQueues)
		q, err := decodeQueue([]byte("a"), queues.Get([]byte("a")), block.Producer{})
		if err != nil {
			return err
		}
		if err := change(&q, blocksOf(db, tx)); err != nil {
			return err
		}
		return queues.Put([]byte("a"), encodeQueue("a", q))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestBlocksOfEarlierReleases is about blocks whose buckets have no counter.
func TestBlocksOfEarlierReleases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	texts := []string{"small\n", strings.Repeat("x", 20_000) + "\n", strings.Repeat("y", 50_000) + "\n"}
	spoolOf(t, path, texts...).Close()
	changeSpool(t, path, func(_ *queue, b blocks) error {
		return b.bucket.ForEachBucket(func(key []byte) error { return b.bucket.Bucket(key).SetSequence(0) })
	})
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if want := s.size(); s.queues["a"].bytes != uint64(want) || want < 70_000 {
		t.Errorf("%d bytes, %d of them the log's", want, s.queues["a"].bytes)
	}
	read, _, err := s.Read(nil, nil, "a", 1, 1<<20)
	if err != nil || len(read) != len(texts) {
		t.Fatalf("%d blocks, %v", len(read), err)
	}
	for i := range read {
		if lines, err := read[i].Lines(nil); err != nil || string(lines) != texts[i] {
			t.Errorf("block %d: %d bytes, %v", i, len(lines), err)
		}
	}
	s.Settle("a", 3)
	if err := s.WaitEmpty(t.Context()); err != nil {
		t.Error(err)
	}
}
