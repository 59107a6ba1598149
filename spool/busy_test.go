package spool

import (
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// slowDisk takes its time for each transaction.
type slowDisk struct {
	disk
	takes time.Duration
}

func (d slowDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	time.Sleep(d.takes)
	return d.disk.update(f, limit, fn)
}

// TestBusyIsOneTransaction: a writer that always has something to do is not taken for one that hangs.
func TestBusyIsOneTransaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	synctest.Test(t, func(t *testing.T) {
		d := slowDisk{takes: 45 * time.Second}
		s, err := openOn(d, path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var sources sync.WaitGroup
		for _, log := range []string{"a", "b", "c"} {
			sources.Go(func() {
				for range 5 {
					if err := s.Append(t.Context(), one(log, "line")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done, most := make(chan struct{}), time.Duration(0)
		go func() { sources.Wait(); close(done) }()
		for over := false; !over; {
			select {
			case <-done:
				over = true
			case <-time.After(time.Second):
				most = max(most, s.Busy())
			}
		}
		if most < 40*time.Second || most > d.takes+2*time.Second {
			t.Errorf("the writer seems to be at one thing for %v", most)
		}
	})
}

// TestBusyFromTheFirstMoment: who asks before the writer has run does not hear that it hangs.
func TestBusyFromTheFirstMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := openOn(slowDisk{}, path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if busy := s.Busy(); busy > time.Second { // the writer waits for this goroutine, or runs for the first time beside it
			t.Errorf("the writer seems to be at one thing for %v", busy)
		}
	})
}

// busyDisk is slow, and notes how long the writer has seemed to be at one thing.
type busyDisk struct {
	slowDisk
	w    *writer
	most time.Duration
}

func (d *busyDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	err := d.slowDisk.update(f, limit, fn)
	if d.w != nil {
		d.most = max(d.most, d.w.Busy())
	}
	return err
}

// TestBusyWhereTheDiskIsFull: each log that is settled alone is one thing, and so are some blocks whose pages are looked at.
func TestBusyWhereTheDiskIsFull(t *testing.T) {
	path, o := longList(t)
	synctest.Test(t, func(t *testing.T) {
		d := &busyDisk{slowDisk: slowDisk{takes: 45 * time.Second}}
		d.w = openWriter(t, d, path, o)
		d.w.beat.rest()
		for _, log := range []string{"a", "b", "c"} {
			d.w.apply(task{settled: map[string]uint64{log: 21}})
		}
		if d.most != d.takes {
			t.Errorf("the writer seems to be at one thing for %v", d.most)
		}
		time.Sleep(time.Hour)
		if err := d.w.mendSome(); err != nil || d.w.Busy() > d.takes {
			t.Errorf("the writer seems to be at one thing for %v, %v", d.w.Busy(), err)
		}
	})
}
