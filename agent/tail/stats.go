package tail

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logscribe/logscribe/agent/line"
)

// Stats are what the source has done since New, and what it has now.
type Stats struct {
	Lines          int64 // handed to the spool
	Bytes          int64 // of these lines
	Files          int64 // found
	LongLines      int64 // cut into pieces
	Truncations    int64 // files that were truncated or rewritten in place
	AppendErrors   int64 // attempts at appending that failed and were repeated
	BadCheckpoints int64 // damaged, and therefore ignored
	Overflows      int64 // times that the kernel lost file events
	Copies         int64 // files found to continue a truncated or a compressed one
	Unpacked       int64 // of these, the compressed ones
	Damaged        int64 // compressed files that are damaged
	GivenUp        int64 // deleted files that were closed before they were read to their ends

	Tailed     int // files that may get lines now
	Open       int // descriptors
	Unreadable int // files that could not be opened or read at the last attempt
}

type counters struct {
	lines, bytes, files, longLines, truncations, appendErrors, badCheckpoints, overflows atomic.Int64
	copies, givenUp, unpacked, damaged                                                   atomic.Int64
	tailed, unreadable                                                                   atomic.Int64
}

// Stats is safe for concurrent use. Tailed and Unreadable are as of the last scan.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	open := s.opened.Len()
	s.mu.Unlock()
	c := &s.stats
	return Stats{
		Lines: c.lines.Load(), Bytes: c.bytes.Load(), Files: c.files.Load(), LongLines: c.longLines.Load(),
		Truncations: c.truncations.Load(), AppendErrors: c.appendErrors.Load(), BadCheckpoints: c.badCheckpoints.Load(),
		Overflows: c.overflows.Load(), Copies: c.copies.Load(), Unpacked: c.unpacked.Load(), Damaged: c.damaged.Load(),
		GivenUp: c.givenUp.Load(), Tailed: int(c.tailed.Load()), Open: open, Unreadable: int(c.unreadable.Load()),
	}
}

// Filtered returns what the sections' rules did to lines, by log, for those logs to which they did anything. After a
// crash, what had not reached the spool is counted again by the next source.
func (s *Source) Filtered() map[string]line.Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.filtered)
}

func (s *Source) count(log string, done line.Counts) {
	if done == (line.Counts{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.filtered[log]
	all.Add(done)
	s.filtered[log] = all
}

// updateStats counts the files.
func (s *Source) updateStats() {
	var tailed, unreadable int64
	s.mu.Lock()
	for _, g := range s.byInode {
		if g.lineage != nil && !g.dormant && !g.dead {
			tailed++
			if g.failing {
				unreadable++
			}
		}
	}
	s.mu.Unlock()
	s.stats.tailed.Store(tailed)
	s.stats.unreadable.Store(unreadable)
	s.reportWatch()
}

// limiter keeps repeated messages rare.
type limiter struct {
	mu   sync.Mutex
	next map[string]time.Time
}

// maxMessages limits the memory of the limiter. Beyond it messages may come more often than they should.
const maxMessages = 10_000

func newLimiter() *limiter { return &limiter{next: map[string]time.Time{}} }

// may says whether the message may be logged, which it may once in interval.
func (l *limiter) may(message string, interval time.Duration) bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next[message]) {
		return false
	}
	if len(l.next) >= maxMessages {
		clear(l.next)
	}
	l.next[message] = now.Add(interval)
	return true
}
