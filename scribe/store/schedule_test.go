package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a wall clock that stands where it is put.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 4, 5, 30, 0, 0, time.UTC)} }

func hourly(c *clock) Options {
	return Options{Policy: Policy{RotateEvery: time.Hour}, Now: c.now, manual: true}
}

func wantFiles(t *testing.T, root, log string, want ...string) {
	t.Helper()
	var got []string
	for _, f := range files(t, root, log) {
		got = append(got, filepath.Base(f))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wrong files (-want +got):\n%s", diff)
	}
}

func TestEachPeriodHasFilesOfItsOwn(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, hourly(c))
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	c.Time = c.Add(29 * time.Minute)
	mustAppend(t, s, numbered("a", alice, 3, 3, 10))
	wantFiles(t, root, "a", "a.log")
	c.Time = c.Add(time.Minute)
	mustAppend(t, s, numbered("a", alice, 4, 4, 10))
	wantFiles(t, root, "a", "a_20260304T060000.000000Z.log", "a.log")
	mustCommit(t, s)
	if got := s.Stats(); got.RotatedByTime != 1 || got.RotatedBySize != 0 {
		t.Errorf("%+v", got)
	}
	wantContent(t, root, "a", lines(alice, 1, 4, 10))
}

// TestAPeriodEndsAlsoWhileTheStoreIsClosed has a file cut back at the next start, which writes to it.
func TestAPeriodEndsAlsoWhileTheStoreIsClosed(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, hourly(c))
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	mustCommit(t, s)
	mustAppend(t, s, numbered("a", alice, 3, 3, 10))
	crash(t, s)
	s = open(t, root, hourly(c)) // within the period
	mustAppend(t, s, numbered("a", alice, 3, 3, 10))
	wantFiles(t, root, "a", "a.log")
	crash(t, s)
	c.Time = c.Add(time.Hour)
	s = open(t, root, hourly(c))
	mustAppend(t, s, numbered("a", alice, 3, 3, 10))
	mustCommit(t, s)
	wantFiles(t, root, "a", "a_20260304T063000.000000Z.log", "a.log")
	wantContent(t, root, "a", lines(alice, 1, 3, 10))
}

func TestAQuietLogIsRotatedOnceAndAnEmptyOneNever(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, hourly(c))
	mustAppend(t, s, numbered("quiet", alice, 1, 2, 10))
	if err := s.Claim("empty", 1); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c.Time = c.Add(30 * time.Minute)
		if err := s.rotateQuiet(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, s, numbered("quiet", alice, 3, 3, 10)) // the file was empty for hours
	mustCommit(t, s)
	want := []string{"quiet_20260304T060000.000000Z.log", "quiet.log"}
	wantFiles(t, root, "quiet", want...)
	wantFiles(t, root, "empty", "empty.log")
	crash(t, s) // the rotation is committed
	open(t, root, hourly(c))
	wantFiles(t, root, "quiet", want...)
}

func TestAnUncommittedRotationByTimeIsUndoneAndDoneAgain(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, hourly(c))
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	mustCommit(t, s)
	c.Time = c.Add(time.Hour)
	s.rotateLog("a", c.now())
	crash(t, s)
	s = open(t, root, hourly(c))
	wantFiles(t, root, "a", "a.log")
	if err := s.rotateQuiet(t.Context()); err != nil {
		t.Fatal(err)
	}
	crash(t, s)
	open(t, root, hourly(c))
	wantFiles(t, root, "a", "a_20260304T063000.000000Z.log", "a.log")
	wantContent(t, root, "a", lines(alice, 1, 2, 10))
}

// TestAFileOfAnEarlierReleaseIsRotatedByTheTimeItWasWritten has a record without the time at which the file was begun.
func TestAFileOfAnEarlierReleaseIsRotatedByTheTimeItWasWritten(t *testing.T) {
	for later, want := range map[time.Duration]int{0: 1, 2 * day: 2} {
		root, c := t.TempDir(), &clock{time.Now()}
		o := Options{Policy: Policy{RotateEvery: day}, Now: c.now, manual: true}
		s := open(t, root, o)
		mustAppend(t, s, numbered("a", alice, 1, 2, 10))
		mustCommit(t, s)
		if err := s.ledger.change("a", func(e *entry) { e.begun = 0 }); err != nil {
			t.Fatal(err)
		}
		crash(t, s)
		c.Time = c.Add(later)
		s = open(t, root, o)
		if err := s.rotateQuiet(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(files(t, root, "a")); got != want {
			t.Errorf("%d files after %v, want %d", got, later, want)
		}
	}
}

func TestEntriesOfEarlierVersionsAreRead(t *testing.T) {
	all := entry{size: 1, rotated: 2, reserved: 3, epoch: 4, begun: 5, form: Frames}
	for version := byte(1); version <= entryVersion; version++ {
		want := all
		if version < 2 {
			want.begun = 0
		}
		if version < 3 {
			want.form, want.sum = Plain, checksum{}
		}
		record := encodeEntry(all)[:entrySizes[version]]
		record[0] = version
		if got, err := decodeEntry([]byte("a"), record); err != nil || got != want {
			t.Errorf("version %d: %+v, %v", version, got, err)
		}
		if _, err := decodeEntry([]byte("a"), record[:len(record)-1]); !errors.Is(err, ErrDamaged) {
			t.Errorf("version %d, cut: %v", version, err)
		}
	}
	later := encodeEntry(all)
	later[0]++
	if _, err := decodeEntry([]byte("a"), later); !errors.Is(err, ErrVersion) {
		t.Errorf("a later version: %v", err)
	}
	later[0], later[41] = entryVersion, byte(len(forms))
	if _, err := decodeEntry([]byte("a"), later); !errors.Is(err, ErrVersion) {
		t.Errorf("an unknown form: %v", err)
	}
}

// TestTheKeeperRotatesAtTheBoundary uses the real clock and periods of a second.
func TestTheKeeperRotatesAtTheBoundary(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{RotateEvery: time.Second}})
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	mustCommit(t, s)
	for deadline := time.Now().Add(10 * time.Second); len(files(t, root, "a")) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the quiet log is not rotated")
		}
	}
}

// TestFilesOlderThanTheLedgerAreNotTakenForUncommitted is about a root whose state was deleted: its rotated files have names that
// the new ledger has not heard of.
func TestFilesOlderThanTheLedgerAreNotTakenForUncommitted(t *testing.T) {
	root, c := t.TempDir(), newClock()
	o := Options{Policy: Policy{MaxSize: 10}, Now: c.now, manual: true}
	old := filepath.Join(root, "a_20200101T000000.000000Z.log")
	if err := os.WriteFile(old, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, root, o)
	mustAppend(t, s, numbered("a", alice, 1, 1, 10))
	mustCommit(t, s)
	mustAppend(t, s, numbered("a", alice, 2, 3, 10))
	crash(t, s)
	open(t, root, o)
	wantFiles(t, root, "a", filepath.Base(old), "a.log")
	wantContent(t, root, "a", "old\n"+lines(alice, 1, 1, 10))
}
