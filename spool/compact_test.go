package spool_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// TestCompactsUnderLoad has the file written anew while blocks and checkpoints come and go, and are read.
func TestCompactsUnderLoad(t *testing.T) {
	t.Parallel()
	path, seed := filepath.Join(t.TempDir(), "spool.db"), uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	s := open(t, path, spool.Options{})
	var group sync.WaitGroup
	var appended [3]int
	for l := range appended {
		random := rand.New(rand.NewPCG(seed, uint64(l)))
		group.Go(func() {
			for i := 1; s.Stats().Compactions < 2; i++ {
				comeAndGo(t, s, fmt.Sprint(l), i, random)
				appended[l] = i
			}
		})
	}
	for s.Stats().Compactions < 2 {
		os.Remove(path) // what is there is copied with the next tick
		time.Sleep(100 * time.Millisecond)
	}
	group.Wait()
	s.Close()
	s = open(t, path, spool.Options{})
	checkpoints, err := s.Checkpoints("")
	if err != nil {
		t.Fatal(err)
	}
	for l, n := range appended {
		log := fmt.Sprint(l)
		checkQueue(t, s, log)
		if q := s.Queue(log); q.Next != uint64(n)+1 || q.Lines() > window {
			t.Errorf("log %s after %d lines: %+v", log, n, q)
		}
		for k := range 7 {
			last := n - (n-k+7)%7 // the last round that changed this one
			want := fmt.Sprint(last)
			if k == 3 || last < 1 {
				want = ""
			}
			if got := string(checkpoints[fmt.Sprint(log, "/", k)]); got != want {
				t.Errorf("log %s after %d lines: checkpoint %d is %q, not %q", log, n, k, got, want)
			}
		}
	}
}

// window is how many lines of a log are not settled at most.
const window = 60

// comeAndGo is one round: it appends line i, settles others, and checks all.
func comeAndGo(t *testing.T, s *spool.Spool, log string, i int, random *rand.Rand) {
	c := spool.Checkpoint{Key: fmt.Sprint(log, "/", i%7), Value: fmt.Append(nil, i)}
	if i%7 == 3 {
		c.Value = nil
	}
	batch := spool.Batch{Drafts: []block.Draft{incompressible(log, 10+random.IntN(100_000))}, Checkpoints: []spool.Checkpoint{c}}
	if err := s.Append(t.Context(), batch); err != nil {
		t.Error(err)
	}
	if i >= window {
		s.Settle(log, uint64(i-random.IntN(window)))
	}
	checkQueue(t, s, log)
}

// checkQueue reads all that the spool should hold of a log.
func checkQueue(t *testing.T, s *spool.Spool, log string) {
	q := s.Queue(log)
	blocks, _, err := s.Read(nil, nil, log, q.Oldest, 1<<30)
	if err != nil || uint64(len(blocks)) != q.Lines() {
		t.Errorf("log %s: %d blocks of %+v, %v", log, len(blocks), q, err)
	}
}
