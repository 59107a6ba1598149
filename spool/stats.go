package spool

import (
	"slices"
	"strings"
)

// Stats is what there is to count of a spool, for metrics.
type Stats struct {
	// Forks is how often the spool took a new producer since Open, because it was a copy or others wrote on under the old
	// one.
	Forks uint64
	// Queues are the states of all logs, sorted by name; they count what was dropped and set aside.
	Queues []Queue
}

// Stats returns the counts as they are now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Forks: s.current.forks}
	for log, q := range s.queues {
		st.Queues = append(st.Queues, s.snapshotLocked(log, q))
	}
	slices.SortFunc(st.Queues, func(a, b Queue) int { return strings.Compare(a.Log, b.Log) })
	return st
}
