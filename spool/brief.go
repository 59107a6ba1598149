package spool

import (
	"cmp"
	"slices"

	"github.com/logscribe/logscribe/internal/size"
)

// Brief is what Stats tell of all logs together. To make one costs no memory for each log: there may be very many.
type Brief struct {
	Lines      uint64 // that wait for a receipt
	BlockBytes int64  // of their blocks
	Most       []Waiting

	// As in Stats.
	UsedBytes, FreeBytes int64
	Failing              bool
	SettledLines         uint64
}

// Waiting is how many lines of a log wait.
type Waiting struct {
	Log   string
	Lines uint64
}

// Brief returns the counts as they are now, the sizes as of the last change, and of the logs that hold the most lines as many as
// asked for, those with most first.
func (s *Spool) Brief(most int) Brief {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := Brief{BlockBytes: s.bytes, SettledLines: s.stats.SettledLines}
	b.UsedBytes, b.FreeBytes, b.Failing = s.roomLocked()
	for log, q := range s.queues {
		if lines := q.next - s.oldestLocked(log, q); lines > 0 {
			b.Lines += lines
			b.Most = keepMost(b.Most, Waiting{log, lines}, most)
		}
	}
	return b
}

// Room returns the sizes and whether the disk fails, as in Stats, as of the last change.
func (s *Spool) Room() (used, free int64, failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomLocked()
}

func (s *Spool) roomLocked() (used, free int64, failing bool) {
	free = s.stats.FreeBytes
	if free == unlimited {
		free = size.Unlimited
	}
	return s.stats.UsedBytes, free, s.stats.Failing
}

// keepMost puts w into the list, which is in order and no longer than most, where it belongs.
func keepMost(list []Waiting, w Waiting, most int) []Waiting {
	at, _ := slices.BinarySearchFunc(list, w, func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Log, b.Log))
	})
	if at >= most {
		return list
	}
	list = slices.Insert(list, at, w)
	return list[:min(len(list), most)]
}
