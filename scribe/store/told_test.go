package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

func every(string) bool { return true }

// told collects what EachLog tells.
func eachLog(t *testing.T, s *Store, match func(string) bool) (all []LogStats, parts int) {
	t.Helper()
	err := s.EachLog(match, func(part []LogStats) error { all, parts = append(all, part...), parts+1; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all, parts
}

func TestLogsAreTold(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	dir := t.TempDir()
	s := open(t, dir, Options{Now: func() time.Time { return now }, manual: true})
	if err := s.Claim("b", 7); err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{"a", "b", "b"} {
		if _, err := s.AppendLines(log, 0, []byte("one\ntwo\n")); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := eachLog(t, s, every)
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	if want := []LogStats{{Name: "a"}, {Name: "b", Epoch: 7}}; !cmp.Equal(before, want) { // nothing is committed
		t.Error(cmp.Diff(want, before))
	}
	want := []LogStats{
		{Name: "a", Size: 8, Lines: 2, Bytes: 8, Written: now},
		{Name: "b", Size: 16, Epoch: 7, Lines: 4, Bytes: 16, Written: now},
	}
	if got, _ := eachLog(t, s, every); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got, _ := eachLog(t, s, func(name string) bool { return name == "b" }); !cmp.Equal(got, want[1:]) {
		t.Error(cmp.Diff(want[1:], got))
	}

	// What came in an earlier life is known by its size alone; and of that nothing is active.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{Now: func() time.Time { return now }, manual: true})
	if got, want := first(eachLog(t, s, every)), []LogStats{{Name: "a", Size: 8}, {Name: "b", Size: 16, Epoch: 7}}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if n := s.Known(); n != 2 {
		t.Errorf("%d logs are known", n)
	}
	now = now.Add(time.Hour)
	if _, err := s.AppendLines("a", 0, []byte("three\n")); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a new log counts once, and before it has lines
		if err := s.Claim("c", 1); err != nil {
			t.Fatal(err)
		}
		if n := s.Known(); n != 3 {
			t.Errorf("%d logs are known, with a new one", n)
		}
	}
	for since, want := range map[time.Duration][]LogStats{
		-time.Second: {{Name: "a", Size: 14, Lines: 1, Bytes: 6, Written: now}},
		time.Second:  nil,
	} {
		var got []LogStats
		err := s.EachActive(now.Add(since), every, func(part []LogStats) error { got = append(got, part...); return nil })
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("since %v: %v, %s", since, err, cmp.Diff(want, got))
		}
	}
}

func first(all []LogStats, _ int) []LogStats { return all }

// TestTroubleIsTold: a log that can't be written says so until it can.
func TestTroubleIsTold(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	broken := errors.New("no sync")
	s.fdatasync = func(*os.File) error { return broken }
	write := func() {
		t.Helper()
		if _, err := s.AppendLines("a", 0, []byte("one\n")); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if got, _ := eachLog(t, s, every); len(got) != 1 || got[0].Trouble != "no sync" || got[0].Lines != 0 {
		t.Errorf("got %+v", got)
	}
	s.fdatasync = func(*os.File) error { return nil }
	write()
	if got, _ := eachLog(t, s, every); len(got) != 1 || got[0].Trouble != "" || got[0].Lines != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestOpeningMendsTrouble: a log that could not be opened and has no lines since is in order.
func TestOpeningMendsTrouble(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	inTheWay := filepath.Join(dir, "a")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Claim("a/b", 1); err == nil {
		t.Error("a log is opened below a file")
	}
	if l := s.log("a/b"); l.told.trouble.Load() == nil {
		t.Error("it tells of no trouble")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := s.Claim("a/b", 1); err != nil {
		t.Fatal(err)
	}
	if got, _ := eachLog(t, s, every); len(got) != 1 || got[0].Trouble != "" {
		t.Errorf("got %+v", got)
	}
}

// TestRotationWritesNothing: a log is active if it has lines.
func TestRotationWritesNothing(t *testing.T) {
	var log told
	log.committed(volume{}, time.Now())
	if log.written.Load() != 0 {
		t.Error("written by a round without lines")
	}
}

// TestManyLogsAreToldInParts: a part is as large as one transaction, also where few match.
func TestManyLogsAreToldInParts(t *testing.T) {
	s := open(t, t.TempDir(), Options{Durability: ProcessCrash})
	const logs = 2*toldAtOnce + 1
	err := s.ledger.db.Update(func(tx *bolt.Tx) error {
		for n := range logs {
			name := fmt.Sprintf("x/%05d", n)
			s.log(name).told.committed(volume{lines: 1, bytes: 5}, time.Now())
			if err := s.ledger.changeEntry(tx, name, func(e *entry) { e.size = 5 }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all, parts := eachLog(t, s, every)
	for n, l := range all {
		if want := fmt.Sprintf("x/%05d", n); l.Name != want || l.Size != 5 {
			t.Fatalf("got %+v, want %s", l, want)
		}
	}
	if len(all) != logs || parts != 3 {
		t.Errorf("%d logs in %d parts", len(all), parts)
	}
	if all, parts = eachLog(t, s, func(name string) bool { return name == "x/02000" }); len(all) != 1 || parts != 3 {
		t.Errorf("%d logs in %d parts", len(all), parts)
	}
	var active int
	err = s.EachActive(time.Now().Add(-time.Hour), every, func(part []LogStats) error {
		if active += len(part); len(part) > toldAtOnce {
			t.Errorf("a part has %d logs", len(part))
		}
		return nil
	})
	if err != nil || active != logs {
		t.Errorf("%d are active, %v", active, err)
	}
	stop := errors.New("enough")
	if err := s.EachLog(every, func([]LogStats) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
}
