package spool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/logscribe/logscribe/spool"
)

// TestReadCheckpointsOfARunningAgent reads while checkpoints change, a hundred at once to the same value, and compares them
// with each other: what is read is of one moment.
func TestReadCheckpointsOfARunningAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	if _, err := spool.ReadCheckpoints(path, "file/"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a spool: %v", err)
	}
	s := open(t, path, spool.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	batch := func(value int) spool.Batch {
		b := spool.Batch{Checkpoints: []spool.Checkpoint{{Key: "other", Value: []byte("x")}}}
		for i := range 100 {
			b.Checkpoints = append(b.Checkpoints, spool.Checkpoint{Key: fmt.Sprintf("file/%03d", i), Value: fmt.Appendf(nil, "%0200d", value)})
		}
		return b
	}
	if err := s.Append(ctx, batch(0)); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := 1; ; i++ {
			if err := s.Append(ctx, batch(i)); err != nil {
				ended <- err
				return
			}
		}
	}()
	changes := map[string]bool{}
	for range 20 {
		all, err := spool.ReadCheckpoints(path, "file/")
		if err != nil {
			t.Fatal(err)
		}
		first := string(all["file/000"])
		changes[first] = true
		if len(all) != 100 {
			t.Fatalf("there are %d checkpoints", len(all))
		}
		for key, value := range all {
			if string(value) != first {
				t.Fatalf("%s is %s, another one %s", key, value, first)
			}
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(changes) < 2 {
		t.Error("nothing has changed meanwhile")
	}
}
