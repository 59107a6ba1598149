package spool

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
)

func TestOldest(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "spool.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			s.Close()
		}
	}()
	oldest := func() time.Time {
		t.Helper()
		at, err := s.Oldest()
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	put := func(log, lines string) (before, after time.Time) {
		t.Helper()
		before = time.Now()
		draft := block.NewDraft(nil, log, []byte(lines), block.None)
		if err := s.Append(t.Context(), Batch{Drafts: []block.Draft{draft}}); err != nil {
			t.Fatal(err)
		}
		return before, time.Now()
	}
	if at := oldest(); !at.IsZero() {
		t.Errorf("an empty spool's oldest line is of %v", at)
	}
	from, to := put("a", "1\n2\n")
	then, until := put("b", "1\n")
	within := func(from, to time.Time) {
		t.Helper()
		for range 2 { // the second time it is remembered
			if at := oldest(); at.Before(from.Round(0)) || at.After(to.Round(0)) {
				t.Errorf("got %v, want %v to %v", at, from, to)
			}
		}
	}
	within(from, to)
	s.Settle("a", 1) // its block stays
	within(from, to)
	s.Settle("a", 2)
	within(then, until)
	later, latest := put("b", "2\n")
	within(then, until)
	s.Settle("b", 1)
	within(later, latest)
	s.Settle("b", 2)
	if at := oldest(); !at.IsZero() {
		t.Errorf("after all is settled: %v", at)
	}
	stats := s.Stats()
	if stats.StoredLines != 4 || stats.StoredBytes != 8 || stats.SettledLines != 4 || stats.Commits.Count == 0 {
		t.Errorf("got %+v", stats)
	}
	s.Settle("b", 1)
	s.Settle("b", 7)
	if n := s.Stats().SettledLines; n != 4 {
		t.Errorf("%d lines are settled", n)
	}
	if busy := s.Busy(); busy > 30*time.Second {
		t.Errorf("the writer is busy for %v", busy)
	}
	put("c", "1\n")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed = true
	if _, err := s.Oldest(); err == nil {
		t.Error("a closed spool tells the age of its lines")
	}
}
