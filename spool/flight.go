package spool

// A spool that drops its oldest blocks often drops some that the shipper has just read: they are on their way, and the
// receipt may still say that they arrived. Then they were not lost, and the count of dropped lines is put right.

// flight is what was read of one log and may be on its way, in positions; 0 is none.
type flight struct {
	last           uint64 // up to here blocks were read
	dropped, until uint64 // lines that were dropped after they had been read
	bytes          uint64 // of them
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

// droppedLocked notes that the oldest lines of a queue were dropped.
func (s *Spool) droppedLocked(d dropped) {
	f := s.flights[d.log]
	if d.first > f.last {
		return
	}
	if f.dropped == 0 {
		f.dropped = d.first
	}
	f.until = min(d.last, f.last)
	f.bytes += d.bytes
	s.flights[d.log] = f
}

// arrivedLocked takes the receipt for a log's lines up to through, and notes which of them had been counted as dropped. If
// these are not all that were dropped, their bytes are in proportion.
func (s *Spool) arrivedLocked(log string, through uint64) {
	f := s.flights[log]
	if f.dropped > 0 && through >= f.dropped {
		all, a := f.until-f.dropped+1, s.arrived[log]
		lines := min(all, through-f.dropped+1)
		bytes := f.bytes
		if lines < all {
			bytes = uint64(float64(bytes) * float64(lines) / float64(all))
		}
		s.arrived[log] = arrival{a.lines + lines, a.bytes + bytes}
	}
	delete(s.flights, log)
}
