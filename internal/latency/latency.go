// Package latency counts how long things take, for metrics, at the price of three additions to integers each. It knows
// nothing of those who read the counts, so that the packages in the way of the lines need not either.
package latency

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of the buckets, of all histograms: a sync on a fast disk takes some tenths of a
// millisecond, and what takes longer than ten seconds is trouble.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations. The zero value is ready; all methods are safe for concurrent use.
type Histogram struct {
	buckets [len(Bounds) + 1]atomic.Uint64 // each without those below it; the last one is of what is beyond all bounds
	sum     atomic.Int64                   // nanoseconds
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Since counts the time since begin.
func (h *Histogram) Since(begin time.Time) { h.Observe(time.Since(begin)) }

// Snapshot is what a histogram has counted.
type Snapshot struct {
	Count   uint64
	Sum     time.Duration
	Buckets [len(Bounds)]uint64 // those up to each bound
}

// Snapshot returns the counts. Durations that are counted meanwhile may be in it in part.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Sum: time.Duration(h.sum.Load())}
	for i := range h.buckets {
		s.Count += h.buckets[i].Load()
		if i < len(s.Buckets) {
			s.Buckets[i] = s.Count
		}
	}
	return s
}
