package spool_test

import (
	"fmt"
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
