package spool

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
)

var (
	producerA = uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")
	producerB = uuid.MustParse("6ba7b811-9dad-41d1-80b4-00c04fd430c8")
)

// The queue records that releases have written: they must be read for ever.
var queueRecords = []struct {
	hex  string
	want queue
}{
	{
		"01 00000007 0000000000000003 000000000000000b 0000000000000400 0000000000000002",
		queue{id: 7, oldest: 3, next: 11, bytes: 1024, dropped: 2, told: 2, spans: []span{
			{from: 1, stored: identity{producerA, 1}, sent: identity{producerA, 1}},
		}},
	},
	{
		"02 00000007 0000000000000003 000000000000000b 0000000000000400 0000000000000002" +
			"0000000000000001 0000000000000005 0000000000000009" +
			"0000000000000001 6ba7b8109dad41d180b400c04fd430c8 0000000000000001 6ba7b8109dad41d180b400c04fd430c8 0000000000000001" +
			"0000000000000006 6ba7b8109dad41d180b400c04fd430c8 0000000000000001 6ba7b8119dad41d180b400c04fd430c8 0000000000000006" +
			"c40d2fd5",
		queue{id: 7, oldest: 3, next: 11, bytes: 1024, dropped: 2, told: 2, aside: setAside{blocks: 1, lines: 5}, unmet: 9, spans: []span{
			{from: 1, stored: identity{producerA, 1}, sent: identity{producerA, 1}},
			{from: 6, stored: identity{producerA, 1}, sent: identity{producerB, 6}},
		}},
	},
	{
		"03 00000007 0000000000000003 000000000000000b 0000000000000400 0000000000000002" +
			"0000000000000001 0000000000000005 0000000000000009 0000000000000004 0000000000000001" +
			"0000000000000001 6ba7b8109dad41d180b400c04fd430c8 0000000000000001 6ba7b8109dad41d180b400c04fd430c8 0000000000000001" +
			"0000000000000006 6ba7b8109dad41d180b400c04fd430c8 0000000000000001 6ba7b8119dad41d180b400c04fd430c8 0000000000000006" +
			"4f4af376",
		queue{id: 7, oldest: 3, next: 11, bytes: 1024, dropped: 2, told: 1, aside: setAside{blocks: 1, lines: 5, refused: 4}, unmet: 9, spans: []span{
			{from: 1, stored: identity{producerA, 1}, sent: identity{producerA, 1}},
			{from: 6, stored: identity{producerA, 1}, sent: identity{producerB, 6}},
		}},
	},
}

func record(t *testing.T, text string) []byte {
	t.Helper()
	all, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestQueueRecordsAreStable(t *testing.T) {
	equal := cmp.AllowUnexported(queue{}, span{}, identity{}, setAside{})
	for _, r := range queueRecords {
		stored := record(t, r.hex)
		q, err := decodeQueue([]byte("log"), stored, producerA)
		if diff := cmp.Diff(r.want, q, equal); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
		if stored[0] == queueVersion && !cmp.Equal(encodeQueue("log", r.want), stored) {
			t.Errorf("now written as %x", encodeQueue("log", r.want))
		}
	}
}

func TestDamagedQueueRecordsAreRefused(t *testing.T) {
	sound, _ := unseal([]byte("log"), record(t, queueRecords[2].hex))
	for name, damage := range map[string]func([]byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"cut":                func(b []byte) []byte { return b[:len(b)-1] },
		"no span":            func(b []byte) []byte { return b[:queueHeader] },
		"oldest 0":           func(b []byte) []byte { clear(b[5:13]); return b },
		"oldest behind next": func(b []byte) []byte { b[5] = 1; return b },
		"unmet behind next":  func(b []byte) []byte { b[60] = 12; return b },
		"more refused":       func(b []byte) []byte { b[68] = 6; return b },
		"more told":          func(b []byte) []byte { b[76] = 3; return b },
		"first span late":    func(b []byte) []byte { b[queueHeader+7] = 4; return b },
		"spans in disorder":  func(b []byte) []byte { b[queueHeader+spanSize+7] = 1; return b },
		"span behind next":   func(b []byte) []byte { b[queueHeader+spanSize+7] = 12; return b },
		"base 0":             func(b []byte) []byte { b[queueHeader+31] = 0; return b },
		"base behind span":   func(b []byte) []byte { b[queueHeader+spanSize+55] = 7; return b },
	} {
		damaged := damage(bytes.Clone(sound))
		for _, stored := range [][]byte{damaged, seal([]byte("log"), damaged)} {
			if q, err := decodeQueue([]byte("log"), stored, producerA); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %+v, %v", name, q, err)
			}
		}
	}
	if q, err := decodeQueue([]byte("other"), record(t, queueRecords[2].hex), producerA); !errors.Is(err, ErrDamaged) {
		t.Errorf("the record of another log: %+v, %v", q, err)
	}
	if _, err := decodeQueue([]byte("log"), seal([]byte("log"), []byte{queueVersion + 1}), producerA); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
}

// change opens a spool's file and changes its buckets.
func change(t *testing.T, path string, f func(meta, queues *bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bolt.Tx) error { return f(tx.Bucket(bucketMeta), tx.Bucket(bucketQueues)) }); err != nil {
		t.Fatal(err)
	}
}

// reopened returns the spool at path, with one line more in log "a".
func reopened(t *testing.T, path string) *Spool {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", []byte("x\n"), block.None)}}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSpoolOfVersion1ThatWasCopied opens what an earlier release left, without an origin, and then copies of it that are
// told by each of the things an origin is made of.
func TestSpoolOfVersion1ThatWasCopied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := reopened(t, path)
	old := s.Producer()
	s.Close()
	change(t, path, func(meta, queues *bolt.Bucket) error {
		v1 := append([]byte(nil), queues.Get([]byte("a"))[:queueSize1]...)
		v1[0] = queueVersion1
		idle := append([]byte(nil), v1...)
		idle[4] = 2 // the log's number; it gets no more lines
		return errors.Join(queues.Put([]byte("a"), v1), queues.Put([]byte("idle"), idle), meta.Delete(keyOrigin), meta.Delete(keySpare))
	})
	s = reopened(t, path)
	if s.Producer() != old {
		t.Error("without an origin it has another producer")
	}
	s.Close()
	seen := map[block.Producer]bool{old: true}
	for name, offset := range map[string]int{"boot": 1, "device": 17, "inode": 25, "birth": 33} {
		change(t, path, func(meta, _ *bolt.Bucket) error {
			o := append([]byte(nil), meta.Get(keyOrigin)...)
			o[offset] ^= 1
			return meta.Put(keyOrigin, o)
		})
		s = reopened(t, path)
		if seen[s.Producer()] || s.Stats().Forks != 1 {
			t.Errorf("another %s: the producer was kept", name)
		}
		seen[s.Producer()] = true
		s.Close()
	}
	s = reopened(t, path)
	if !seen[s.Producer()] {
		t.Error("the same file has another producer")
	}
	if q := s.Queue("idle"); q.Producer != old || q.Sequence != 1 {
		t.Errorf("lines of version 1 have another identity: %+v", q)
	}
	blocks, _, err := s.Read(nil, nil, "a", 1, 1<<20)
	if err != nil || len(blocks) != 7 || blocks[0].Producer != old || blocks[0].First != 1 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
}
