package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
)

// reaching returns the block with an identity and the checkpoint that it reaches.
func reaching(b Block, identity, source, value string) Block {
	sealed := *b.Block
	sealed.Reached = block.Checkpoint{Source: source, Value: []byte(value)}
	b.Block, b.Identity = &sealed, identity
	return b
}

// checkpoints returns what the store remembers of the identity: log, source and value of each.
func checkpoints(t testing.TB, s *Store, identity string) []string {
	t.Helper()
	all := []string{}
	err := s.Checkpoints(identity, func(part []SourceCheckpoint) error {
		for _, c := range part {
			all = append(all, fmt.Sprintf("%s %s %s", c.Log, c.Source, c.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantCheckpoints(t testing.TB, s *Store, identity string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), checkpoints(t, s, identity)); diff != "" {
		t.Errorf("wrong checkpoints of %s (-want +got):\n%s", identity, diff)
	}
}

func TestCheckpointIsCommittedWithItsBlock(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, reaching(numbered("d/a", alice, 1, 3, 10), "web-7", "x", "3"))
	mustAppend(t, s, reaching(numbered("d/a", alice, 4, 4, 10), "web-7", "y", "1"))
	mustAppend(t, s, reaching(numbered("d/a", alice, 5, 5, 10), "web-7", "x", "5"))
	mustAppend(t, s, reaching(numbered("b", alice, 1, 1, 10), "web-7", "x", "2"))
	mustAppend(t, s, reaching(numbered("b", bob, 1, 1, 10), "web", "x", "9"))
	mustAppend(t, s, reaching(numbered("b", bob, 2, 2, 10), "", "x", "7")) // without an identity nothing is kept
	wantCheckpoints(t, s, "web-7")
	mustCommit(t, s)
	wantCheckpoints(t, s, "web-7", "b x 2", "d/a x 5", "d/a y 1")

	mustAppend(t, s, reaching(numbered("b", bob, 3, 3, 10), "web", "x", "10"))
	mustAppend(t, s, reaching(numbered("d/a", alice, 6, 9, 10), "web-7", "x", "9"))
	crash(t, s)
	s = open(t, root, Options{})
	wantCheckpoints(t, s, "web-7", "b x 2", "d/a x 5", "d/a y 1")
	wantCheckpoints(t, s, "web", "b x 9")
}

// TestCheckpointOfLinesThatWereCutBack closes a log's file under the store, so that what was appended is lost with the
// next commit, or with a write before it.
func TestCheckpointOfLinesThatWereCutBack(t *testing.T) {
	for name, lose := range map[string]func(*Store){
		"sync": func(s *Store) { mustCommit(t, s) },
		"write": func(s *Store) {
			if _, err := s.AppendLines("a", 0, []byte("x\n")); err == nil {
				t.Error("a closed file was written to")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), Options{})
			mustAppend(t, s, reaching(numbered("a", alice, 1, 2, 10), "web-7", "x", "2"))
			mustCommit(t, s)
			mustAppend(t, s, reaching(numbered("a", alice, 3, 4, 10), "web-7", "x", "4"))
			s.log("a").file.Close()
			lose(s)
			mustAppend(t, s, numbered("a", bob, 1, 1, 10)) // the log goes on, and what was lost stays lost
			mustCommit(t, s)
			wantCheckpoints(t, s, "web-7", "a x 2")
			mustAppend(t, s, reaching(numbered("a", alice, 3, 4, 10), "web-7", "x", "4"))
			mustCommit(t, s)
			wantCheckpoints(t, s, "web-7", "a x 4")
		})
	}
}

func TestRepeatedBlockLeavesTheCheckpoint(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	mustAppend(t, s, reaching(numbered("a", alice, 1, 2, 10), "web-7", "x", "2"))
	mustAppend(t, s, reaching(numbered("a", alice, 3, 4, 10), "web-7", "x", "4"))
	mustAppend(t, s, reaching(numbered("a", alice, 1, 2, 10), "web-7", "x", "2")) // not committed yet
	mustCommit(t, s)
	mustAppend(t, s, reaching(numbered("a", alice, 1, 2, 10), "web-7", "x", "2"))
	mustCommit(t, s)
	wantCheckpoints(t, s, "web-7", "a x 4")
	mustAppend(t, s, reaching(numbered("a", alice, 3, 6, 10), "web-7", "x", "6")) // a part of it is new
	mustCommit(t, s)
	wantCheckpoints(t, s, "web-7", "a x 6")
}

// TestOldestSourcesAreForgotten gives one log more sources than are remembered. One that still changes stays.
func TestOldestSourcesAreForgotten(t *testing.T) {
	clock := time.Unix(1_700_000_000, 0)
	s := open(t, t.TempDir(), Options{Now: func() time.Time { return clock }})
	next := uint64(0)
	reach := func(log string, sources ...int) {
		for _, n := range sources {
			next++
			b := numbered(log, alice, next, next, 10)
			b.Oldest = next
			mustAppend(t, s, reaching(b, "web-7", fmt.Sprintf("%04d", n), "v"))
		}
		clock = clock.Add(time.Second)
		mustCommit(t, s)
	}
	reach("other", 7777)
	for n := range maxSources {
		reach("a", n)
	}
	reach("a", 0)
	reach("a", maxSources, maxSources+1)
	got := checkpoints(t, s, "web-7")
	if len(got) != maxSources+1 || got[0] != "a 0000 v" || got[1] != "a 0003 v" || got[maxSources] != "other 7777 v" {
		t.Errorf("%d are left: %q, %q … %q", len(got), got[0], got[1], got[len(got)-1])
	}
}

func TestManyCheckpointsComeInParts(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	value := string(make([]byte, 7<<10))
	for n := range uint64(200) {
		mustAppend(t, s, reaching(numbered("a", alice, n+1, n+1, 10), "web-7", fmt.Sprintf("%04d", n), value))
	}
	mustCommit(t, s)
	parts, last := 0, ""
	err := s.Checkpoints("web-7", func(part []SourceCheckpoint) error {
		size := 0
		for _, c := range part {
			if c.Source <= last {
				t.Fatalf("%s comes after %s", c.Source, last)
			}
			last, size = c.Source, size+c.Size()
		}
		if size > checkpointsAtOnce+8<<10 {
			t.Errorf("a part has %d bytes", size)
		}
		parts++
		return nil
	})
	if err != nil || parts < 3 || last != "0199" {
		t.Errorf("%d parts up to %s, %v", parts, last, err)
	}
	stop := errors.New("stop")
	if err := s.Checkpoints("web-7", func([]SourceCheckpoint) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
}

func TestGenerations(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Now: func() time.Time { return time.UnixMilli(5000) }})
	first, second := uuid.New(), uuid.New()
	begin := func(identity string, spool uuid.UUID, now int64, want Generation) {
		t.Helper()
		if got, err := s.BeginGeneration(identity, spool, now); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	join := func(identity string, number uint64, newest uint64) {
		t.Helper()
		err := s.Join(identity, number)
		superseded, _ := errors.AsType[*SupersededError](err)
		if newest == 0 && err != nil || newest > 0 && (superseded == nil || superseded.Newest != newest) {
			t.Errorf("generation %d of %s joins: %v", number, identity, err)
		}
	}
	begin("web-7", first, 100, Generation{1, 100})
	begin("web-7", first, 200, Generation{1, 100}) // the call was repeated
	join("web-7", 0, 1)
	join("web-7", 1, 0)
	begin("web-7", second, 300, Generation{2, 100})
	join("web-7", 1, 2)
	s.Close()
	s = open(t, root, Options{Now: func() time.Time { return time.UnixMilli(5000) }})
	join("web-7", 1, 2)
	join("web-7", 5, 0) // other Scribes were asked while this one was down
	join("web-7", 4, 5)
	begin("web-7", first, 400, Generation{6, 100})

	join("new here", 3, 0)
	begin("new here", first, 9000, Generation{4, 5000})
	join("older", 0, 0)
	begin("older", first, 100, Generation{1, 0}) // its lines came before it was asked
}

// TestLedgerOfAnEarlierRelease has no buckets for identities.
func TestLedgerOfAnEarlierRelease(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	mustCommit(t, s)
	s.Close()
	db, err := bolt.Open(filepath.Join(root, ".scribe", "ledger.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket(bucketIdentities), tx.DeleteBucket(bucketCheckpoints))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, root, Options{})
	wantCommitted(t, s, "a", alice, 2)
	wantCheckpoints(t, s, "web-7")
	mustAppend(t, s, reaching(numbered("a", alice, 3, 3, 10), "web-7", "x", "3"))
	mustCommit(t, s)
	wantCheckpoints(t, s, "web-7", "a x 3")
}

// TestUnknownRecordsAreNamed reads what a later release might have written.
func TestUnknownRecordsAreNamed(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for _, c := range []struct {
		record []byte
		want   error
	}{{[]byte{9}, ErrVersion}, {[]byte{1, 0}, ErrDamaged}} {
		err := s.ledger.db.Update(func(tx *bolt.Tx) error {
			return errors.Join(tx.Bucket(bucketIdentities).Put([]byte("web-7"), c.record),
				tx.Bucket(bucketCheckpoints).Put([]byte("web-7\x00a\x00x"), c.record))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Join("web-7", 1); !errors.Is(err, c.want) {
			t.Errorf("got %v", err)
		}
		if err := s.Checkpoints("web-7", func([]SourceCheckpoint) error { return nil }); !errors.Is(err, c.want) {
			t.Errorf("got %v", err)
		}
	}
}

// TestFormatsOfIdentities holds what is stored against bytes that must not change.
func TestFormatsOfIdentities(t *testing.T) {
	if got, want := fmt.Sprintf("%x", encodeReached([]byte("v"), time.UnixMilli(258))), "01000000000000010276"; got != want {
		t.Errorf("a checkpoint record is %s, want %s", got, want)
	}
	s := open(t, t.TempDir(), Options{})
	if _, err := s.BeginGeneration("web-7", alice, 3); err != nil {
		t.Fatal(err)
	}
	err := s.ledger.db.View(func(tx *bolt.Tx) error {
		got := fmt.Sprintf("%x", tx.Bucket(bucketIdentities).Get([]byte("web-7")))
		if want := "010000000000000001" + "0000000000004000800000000000000a" + "0000000000000003"; got != want {
			t.Errorf("an identity record is %s, want %s", got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
