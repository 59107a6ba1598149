package tail

// Volume is a number of lines, as far as they were counted, and of bytes.
type Volume struct{ Lines, Bytes int64 }

// The short names of reasons of losses, for metrics, in the order in which they are listed.
var lossNames = []struct{ name, reason string }{
	{"truncated", lostTruncated},
	{"deleted", lostDeleted},
	{"stopped", lostStopped},
	{"compressed", lostDamaged},
}

// Lost returns all that was lost since New, by reason: "truncated", "deleted", "stopped", "compressed" or "other". Unlike
// Losses it forgets nothing. It is safe for concurrent use.
func (s *Source) Lost() map[string]Volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := s.lostInAll
	lost := map[string]Volume{}
	for _, n := range lossNames {
		v := s.lost[n.reason]
		lost[n.name] = v
		other.Lines, other.Bytes = other.Lines-v.Lines, other.Bytes-v.Bytes
	}
	lost["other"] = other
	return lost
}

// tallyLocked counts a loss.
func (s *Source) tallyLocked(reason string, bytes, lines int64) {
	if s.lost == nil {
		s.lost = map[string]Volume{}
	}
	v := s.lost[reason]
	s.lost[reason] = Volume{v.Lines + lines, v.Bytes + bytes}
	s.lostInAll = Volume{s.lostInAll.Lines + lines, s.lostInAll.Bytes + bytes}
}
