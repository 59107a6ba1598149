package spool

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// Other tests append batch after batch, and don't have any wait for more.
func init() { gatherTime = 0 }

// countingDisk counts transactions.
type countingDisk struct {
	disk
	n atomic.Int64
}

func (d *countingDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	d.n.Add(1)
	return d.disk.update(f, limit, fn)
}

// withGathering runs a test with a spool that gathers batches, in time that is not real.
func withGathering(t *testing.T, o Options, test func(t *testing.T, s *Spool, d *countingDisk)) {
	const real = 15 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		gatherTime = real
		defer func() { gatherTime = 0 }()
		d := &countingDisk{}
		s, err := openOn(d, filepath.Join(t.TempDir(), "spool.db"), o)
		if err != nil {
			t.Fatal(err)
		}
		test(t, s, d)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRareBatchesDoNotWait: batches that come with pauses are stored at once.
func TestRareBatchesDoNotWait(t *testing.T) {
	withGathering(t, Options{}, func(t *testing.T, s *Spool, _ *countingDisk) {
		for i := range 20 {
			began := time.Now()
			if err := s.Append(t.Context(), one("web", fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited > 0 {
				t.Errorf("batch %d waited for %v", i, waited)
			}
			time.Sleep(2 * gatherTime)
		}
	})
}

// TestSteadyBatchesGather: of small batches in a steady stream, many share a transaction, and what is settled leaves on
// the way. None waits longer than the time that they gather for.
func TestSteadyBatchesGather(t *testing.T) {
	withGathering(t, Options{}, func(t *testing.T, s *Spool, d *countingDisk) {
		before := d.n.Load()
		var failed, slow atomic.Int64
		const batches = 1000
		for i := range batches {
			go func() {
				began := time.Now()
				if err := s.Append(t.Context(), one(fmt.Sprint("log", i%50), fmt.Sprint(i))); err != nil {
					failed.Add(1)
				}
				if time.Since(began) > gatherTime {
					slow.Add(1)
				}
				s.Settle("log0", 1)
			}()
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		time.Sleep(gatherTime)
		if failed.Load() > 0 || slow.Load() > 0 {
			t.Errorf("%d batches failed, and %d waited too long", failed.Load(), slow.Load())
		}
		most := int64(batches*time.Millisecond/gatherTime) + gatherBurst + 2 // and what a tick does
		if n := d.n.Load() - before; n > most {
			t.Errorf("%d transactions for %d batches in a second, want %d at most", n, batches, most)
		}
	})
}

// TestLargeBatchesDoNotWait: what is worth a transaction gets it at once, however soon it comes.
func TestLargeBatchesDoNotWait(t *testing.T) {
	withGathering(t, Options{}, func(t *testing.T, s *Spool, _ *countingDisk) {
		began := time.Now()
		for range 20 {
			if err := s.Append(t.Context(), one("web", strings.Repeat("x", worthwhile))); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("they waited for %v", waited)
		}
	})
}

// TestEagerSpool: nothing waits for others where the spool is to be eager.
func TestEagerSpool(t *testing.T) {
	withGathering(t, Options{Eager: true}, func(t *testing.T, s *Spool, _ *countingDisk) {
		began := time.Now()
		for i := range 20 {
			if err := s.Append(t.Context(), one("web", fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("they waited for %v", waited)
		}
	})
}
