package spool

import (
	"context"
	"math"

	"github.com/logscribe/logscribe/internal/block"
)

// Queue is a snapshot of one log's state.
//
// Lines are named by their positions: a number that each line of a log gets when it is stored, from 1, and keeps. The
// sequence that a line has for others follows from its position and its producer; in a spool that was never copied the
// two are the same.
type Queue struct {
	Log    string
	Oldest uint64 // the first position that is not settled; Next if all are
	Next   uint64 // the position that the next line gets

	// Producer is the identity that the oldest line has for others, and Sequence its number there.
	Producer block.Producer
	Sequence uint64
	// Until is the first position that must not be sent yet: not before a receipt of the log has been acknowledged that
	// came under the producer of the line there. A stream that only opens the log brings such a receipt.
	Until uint64
	// Held says that nothing may be sent until TakeAppended names the log again.
	Held bool

	Dropped     uint64 // lines dropped because the spool was full, since the spool was made
	AsideBlocks uint64 // blocks set aside, since the spool was made
	AsideLines  uint64 // lines in them
	Refused     uint64 // those of them that no Scribe takes; the others were damaged
}

// Lines returns the number of lines that wait.
func (q Queue) Lines() uint64 { return q.Next - q.Oldest }

// Queue returns the state of one log. A log that the spool has never held has Oldest and Next 1.
func (s *Spool) Queue(log string) Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[log]
	if !ok {
		q = newQueue(0, s.current.producer)
	}
	return s.snapshotLocked(log, q)
}

// snapshotLocked returns the queue's state, counting what is settled as gone.
func (s *Spool) snapshotLocked(log string, q queue) Queue {
	oldest := s.oldestLocked(log, q)
	id := q.identityAt(oldest, s.current.producer)
	snapshot := Queue{
		Log: log, Oldest: oldest, Next: q.next,
		Producer: id.producer, Sequence: id.sequence(oldest), Until: math.MaxUint64, Held: s.orders.holds(log),
		Dropped: q.dropped - min(q.dropped, s.arrived[log].lines), AsideBlocks: q.aside.blocks, AsideLines: q.aside.lines, Refused: q.aside.refused,
	}
	if q.unmet > 0 {
		snapshot.Until = q.unmet
	}
	return snapshot
}

// oldestLocked returns the log's first position that is not settled.
func (s *Spool) oldestLocked(log string, q queue) uint64 {
	if through, ok := s.settled[log]; ok {
		return max(q.oldest, min(through+1, q.next))
	}
	return q.oldest
}

// Lines returns the number of lines that wait for a receipt.
func (s *Spool) Lines() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.linesLocked()
}

func (s *Spool) linesLocked() int64 {
	var lines uint64
	for log, q := range s.queues {
		lines += q.next - s.oldestLocked(log, q)
	}
	return int64(lines)
}

// WaitEmpty returns nil once no line waits for a receipt, or the context's error.
func (s *Spool) WaitEmpty(ctx context.Context) error {
	for {
		s.mu.Lock()
		if s.linesLocked() == 0 {
			s.mu.Unlock()
			return nil
		}
		if s.emptied == nil {
			s.emptied = make(chan struct{})
		}
		emptied := s.emptied
		s.mu.Unlock()
		select {
		case <-emptied:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
