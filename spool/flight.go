package spool

// A spool that drops its oldest blocks often drops some that the shipper has just read: they are on their way, and the
// receipt may still say that they arrived. Then they were not lost, and the count of dropped lines is put right.

// flight is what was read of one log and may be on its way, in positions; 0 is none.
type flight struct {
	last           uint64 // up to here blocks were read
	dropped, until uint64 // lines that were dropped after they had been read
}

// departed notes that the blocks from first to last were read.
func (s *Spool) departed(log string, first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flights[log]
	if first <= f.last || first == s.queues[log].oldest {
		f = flight{} // a new stream begins at the oldest block: no receipt comes for an earlier one
	}
	f.last = last
	s.flights[log] = f
}

// droppedLocked notes that the queue's oldest lines, from first to last, were dropped.
func (s *Spool) droppedLocked(log string, first, last uint64) {
	f := s.flights[log]
	if first > f.last {
		return
	}
	if f.dropped == 0 {
		f.dropped = first
	}
	f.until = min(last, f.last)
	s.flights[log] = f
}

// arrivedLocked takes the receipt for a log's lines up to through, and notes which of them had been counted as dropped.
func (s *Spool) arrivedLocked(log string, through uint64) {
	f := s.flights[log]
	if f.dropped > 0 && through >= f.dropped {
		s.arrived[log] += min(through, f.until) - f.dropped + 1
	}
	delete(s.flights, log)
}
