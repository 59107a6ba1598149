package spool_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

func TestReachedTellsTheLastCheckpointOfEachSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := open(t, path, spool.Options{})
	for i, to := range [][2]string{{"a", "x"}, {"a", "y"}, {"a", "x"}, {"b", "x"}, {"b", ""}, {"c", "z"}} {
		d := draft(to[0], fmt.Sprint(i))
		if to[1] != "" {
			d.Reached = block.Checkpoint{Source: to[1], Value: []byte{byte(i)}}
		}
		add(t, s, d)
	}
	s.Settle("a", 2) // the first two are delivered
	s.Settle("c", 1)
	reached := func() (all []string) {
		t.Helper()
		checkpoints, err := s.Reached()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checkpoints {
			all = append(all, fmt.Sprintf("%s %d", c.Source, c.Value))
		}
		slices.Sort(all)
		return all
	}
	want(t, reached(), "x [2]", "x [3]")
	s.Close()
	s = open(t, path, spool.Options{})
	want(t, reached(), "x [2]", "x [3]")

	s.Close()
	s = open(t, filepath.Join(t.TempDir(), "empty.db"), spool.Options{})
	want(t, reached())
}

// TestReachedPassesFromProducerToProducer reads more than at once, of a spool that was copied.
func TestReachedPassesFromProducerToProducer(t *testing.T) {
	dir := t.TempDir()
	for i, path := range []string{filepath.Join(dir, "spool.db"), filepath.Join(dir, "copy.db")} {
		s := open(t, path, spool.Options{})
		for n := range 3 {
			d := block.NewDraft(nil, "a", append(bytes.Repeat([]byte("x"), 700<<10), '\n'), block.None)
			d.Reached = block.Checkpoint{Source: "x", Value: []byte{byte(3*i + n)}}
			add(t, s, d)
		}
		s.Close()
		if i == 0 {
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "copy.db"), file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	reached, err := open(t, filepath.Join(dir, "copy.db"), spool.Options{}).Reached()
	if err != nil || len(reached) != 1 || reached[0].Value[0] != 5 {
		t.Errorf("%v, %v", reached, err)
	}
}

// TestReachedKeepsEachSource: what a source reached long before the end of its log is told as it was.
func TestReachedKeepsEachSource(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	want := map[string]string{"rotated": "reached the end of the first file", "active": "reached line 4"}
	for n := range 4 {
		d := block.NewDraft(nil, "a", append(bytes.Repeat([]byte("x"), 700<<10), '\n'), block.None)
		d.Reached = block.Checkpoint{Source: "active", Value: fmt.Appendf(nil, "reached line %d", n+1)}
		if n == 1 { // the last one that is read at once
			d.Reached = block.Checkpoint{Source: "rotated", Value: []byte(want["rotated"])}
		}
		add(t, s, d)
	}
	reached, err := s.Reached()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range reached {
		got[c.Source] = string(c.Value)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
