package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAReservationTakesNoRotationBack reserves names for rotated files after a round's transaction, and before the log knows
// of that: a crash must not undo rotations that were committed.
func TestAReservationTakesNoRotationBack(t *testing.T) {
	root, c := t.TempDir(), newClock()
	o := Options{Policy: Policy{MaxSize: 30}, Now: c.now, manual: true}
	s := open(t, root, o)
	mustAppend(t, s, numbered("a", alice, 1, 4, 10))
	mustCommit(t, s) // one rotation is committed
	mustAppend(t, s, numbered("a", alice, 5, 8, 10))
	l := s.log("a")
	snap := l.snapshot() // with the next one
	if err := s.ledger.commit([]*snapshot{snap}, c.now()); err != nil {
		t.Fatal(err)
	}
	c.Time = c.Add(2 * reservation)
	mustAppend(t, s, numbered("a", alice, 9, 11, 10)) // rotates, and has to reserve more names for that
	crash(t, s)
	s = open(t, root, o)
	wantCommitted(t, s, "a", alice, 8)
	wantContent(t, root, "a", lines(alice, 1, 8, 10))
}

// TestTheFirstReservationOutlastsItsRound has the first reservation of a log fall into a round. Rotated files that are older
// than the ledger must not pass for uncommitted ones then.
func TestTheFirstReservationOutlastsItsRound(t *testing.T) {
	root, c := t.TempDir(), newClock()
	o := Options{Policy: Policy{MaxSize: 30}, Now: c.now, manual: true}
	old := filepath.Join(root, "a_20200101T000000.000000Z.log")
	must(t, os.WriteFile(old, []byte("old\n"), 0o600))
	s := open(t, root, o)
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	snap := s.log("a").snapshot()
	mustAppend(t, s, numbered("a", alice, 3, 4, 10)) // rotates
	must(t, s.ledger.commit([]*snapshot{snap}, c.now()))
	crash(t, s)
	s = open(t, root, o)
	wantCommitted(t, s, "a", alice, 2)
	if text, err := os.ReadFile(old); err != nil || string(text) != "old\n" {
		t.Errorf("the old file holds %q, %v", text, err)
	}
	c.Time = c.Add(time.Hour)
	mustAppend(t, s, numbered("a", alice, 3, 4, 10))
	mustCommit(t, s)
	wantContent(t, root, "a", "old\n"+lines(alice, 1, 4, 10))
}
