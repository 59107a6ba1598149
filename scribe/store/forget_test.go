package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"
)

func forgetting(c *clock) Options {
	return Options{ProducerTTL: 30 * 24 * time.Hour, Now: c.now, manual: true}
}

// producerRecords returns how many the ledger has.
func producerRecords(t *testing.T, s *Store) (n int) {
	t.Helper()
	err := s.ledger.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketProducers).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestProducersAreForgotten has one producer stay away for long, and another send now and then.
func TestProducersAreForgotten(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, forgetting(c))
	mustAppend(t, s, numbered("a", alice, 1, 5, 10))
	mustAppend(t, s, numbered("a", bob, 1, 5, 10))
	mustCommit(t, s)
	c.Time = c.Add(20 * 24 * time.Hour)
	mustAppend(t, s, numbered("a", bob, 6, 6, 10))
	mustCommit(t, s)
	c.Time = c.Add(11 * 24 * time.Hour)
	if err := s.forgetProducers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := producerRecords(t, s); n != 1 {
		t.Errorf("%d producers are remembered, want 1", n)
	}
	wantCommitted(t, s, "a", alice, 5) // the file is open: it costs nothing to know her
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, root, forgetting(c))
	wantCommitted(t, s, "a", alice, 0)
	wantCommitted(t, s, "a", bob, 6)

	back := numbered("a", alice, 6, 7, 10) // she holds none of those before
	back.Oldest = 6
	mustAppend(t, s, back)
	mustAppend(t, s, numbered("a", bob, 1, 7, 10))
	mustCommit(t, s)
	wantContent(t, root, "a", lines(alice, 1, 5, 10)+lines(bob, 1, 5, 10)+lines(bob, 6, 6, 10)+lines(alice, 6, 7, 10)+lines(bob, 7, 7, 10))
}

// TestAProducerThatComesBackMeanwhileIsKept has a producer commit between the look at its record and the removal.
func TestAProducerThatComesBackMeanwhileIsKept(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), forgetting(c))
	mustAppend(t, s, numbered("a", alice, 1, 1, 10))
	mustCommit(t, s)
	c.Time = c.Add(31 * 24 * time.Hour)
	before := c.Add(-s.producerTTL)
	stale, _, err := s.ledger.staleMarks(nil, before)
	if err != nil || len(stale) != 1 {
		t.Fatal(stale, err)
	}
	mustAppend(t, s, numbered("a", alice, 2, 2, 10))
	mustCommit(t, s)
	if err := s.ledger.removeMarks(stale, before); err != nil {
		t.Fatal(err)
	}
	if n := producerRecords(t, s); n != 1 {
		t.Error("she was forgotten")
	}
}

// TestVeryManyProducersAreForgotten has more of them than fit in one transaction.
func TestVeryManyProducersAreForgotten(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), forgetting(c))
	const n = 2*forgetAtOnce + 1
	err := s.ledger.db.Update(func(tx *bolt.Tx) error {
		for i := range n {
			at := c.Add(-time.Duration(i%2) * 31 * 24 * time.Hour) // every second one is stale
			key := append([]byte(fmt.Sprintf("log%d\x00", i%7)), uuidOf(i)...)
			if err := tx.Bucket(bucketProducers).Put(key, encodeMark(1, at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.forgetProducers(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := producerRecords(t, s); got != n/2+1 {
		t.Errorf("%d records are left of %d, want %d", got, n, n/2+1)
	}
}

func uuidOf(i int) []byte {
	id := uuid.NewSHA1(uuid.Nil, []byte(fmt.Sprint(i)))
	return id[:]
}

// TestRecordsOfDeletedFilesAreForgotten deletes the oldest files and one in the middle, as people do.
func TestRecordsOfDeletedFilesAreForgotten(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 20}, manual: true})
	for _, log := range []string{"d/a", "d/a_b", "c"} {
		mustAppend(t, s, numbered(log, alice, 1, 20, 10)) // nine rotated files
	}
	mustCommit(t, s)
	remove(t, files(t, root, "d/a")[:3]...)
	remove(t, files(t, root, "d/a")[2])
	remove(t, files(t, root, "c")[:9]...)
	if err := s.forgetFiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	err := s.ledger.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketFiles).ForEach(func(k, _ []byte) error {
			log, _, ok := splitFileKey(k)
			if !ok {
				t.Errorf("key %q", k)
			}
			got[log]++
			return nil
		})
	})
	if diff := cmp.Diff(map[string]int{"d/a": 6, "d/a_b": 9}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := Verify(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	expectFinding(t, "problem", v.Problems, "it is missing, while older ones are there")
	expectFinding(t, "note", v.Notes, "")
}

// TestNothingIsForgottenOfAFolderThatIsNotThere takes a folder away, as if its file system were not mounted.
func TestNothingIsForgottenOfAFolderThatIsNotThere(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 20}, manual: true})
	mustAppend(t, s, numbered("d/a", alice, 1, 20, 10))
	mustCommit(t, s)
	folder := filepath.Join(root, "d")
	must(t, os.Rename(folder, folder+"x"))
	must(t, s.forgetFiles(t.Context()))
	must(t, os.Mkdir(folder, 0o750))
	must(t, s.forgetFiles(t.Context()))
	must(t, os.Remove(folder), os.Rename(folder+"x", folder))
	if keys, err := s.ledger.oldestFiles("d/a"); err != nil || len(keys) != 9 {
		t.Errorf("%d records are left of 9, %v", len(keys), err)
	}
}
