package spool

import "github.com/logscribe/logscribe/internal/block"

// Settle says that all lines of the log up to the position through are safe elsewhere. It only takes note: the blocks
// leave the file with the next transaction, at the latest shortly after.
func (s *Spool) Settle(log string, through uint64) {
	s.mu.Lock()
	q, ok := s.queues[log]
	if ok {
		s.settleLocked(log, q, through)
	}
	s.mu.Unlock()
	s.wakeWriter()
}

func (s *Spool) settleLocked(log string, q queue, through uint64) {
	s.arrivedLocked(log, through)
	if through < s.oldestLocked(log, q) {
		return
	}
	s.stats.SettledLines += min(through, q.next-1) + 1 - s.oldestLocked(log, q)
	s.settled[log] = min(through, q.next-1)
	s.tellEmptyLocked()
}

// tellEmptyLocked wakes those who wait for the spool to be empty, if it is.
func (s *Spool) tellEmptyLocked() {
	if s.emptied != nil && s.linesLocked() == 0 {
		close(s.emptied)
		s.emptied = nil
	}
}

// Acknowledge settles what a receipt calls committed: the producer's lines of the log up to that sequence. With ok the
// log's owner has answered and has no trouble with the log.
//
// A receipt also tells whether others have written on under the spool's producer, from an earlier state of the file that
// was put back in its place: then more is committed than the file held when it was opened. The lines since then are not
// the ones that are committed, so they get a new producer; otherwise they may be sent. What was found is stored first:
// until then the log is Held.
func (s *Spool) Acknowledge(log string, producer block.Producer, committed uint64, ok bool) {
	s.mu.Lock()
	if q, known := s.queues[log]; known {
		s.acknowledgeLocked(log, q, producer, committed, ok)
	}
	s.mu.Unlock()
	s.wakeWriter()
}

func (s *Spool) acknowledgeLocked(log string, q queue, producer block.Producer, committed uint64, ok bool) {
	id, end, known := q.run(producer)
	if !known {
		return // all its lines are gone
	}
	decides := q.unmet > 0 && q.identityAt(q.unmet, s.current.producer).producer == producer
	if decides {
		end = max(q.unmet, id.base) // what was stored since was not sent yet
	}
	switch ours := end - id.base; {
	case committed <= ours:
		s.settleLocked(log, q, id.base+committed-1)
		if decides && ok {
			s.orders.met[log] = struct{}{}
		}
	case decides:
		s.settleLocked(log, q, end-1)
		s.orders.fork[log] = end
	case producer == s.current.producer: // none of the lines that wait can be told from the others'
		s.orders.fork[log] = s.oldestLocked(log, q)
	default: // the original of this copy went on under its producer, which this spool did not
		s.settleLocked(log, q, end-1)
	}
}

// wakeWriter makes the next transaction come soon.
func (s *Spool) wakeWriter() {
	select {
	case s.settles <- struct{}{}:
	default:
	}
}
