package spool

// limits is what may be set anew while the spool is open.
type limits struct {
	maxSize  int64
	whenFull Policy
	done     chan struct{} // closed when they are in force
}

// SetLimits sets what Options calls MaxSize, which CheckMaxSize must accept, and WhenFull. At return calls of Append that
// wait for room go by it. What a lower limit does not leave room for stays until it is settled, or dropped by the policy.
func (s *Spool) SetLimits(maxSize int64, whenFull Policy) {
	l := limits{maxSize, whenFull, make(chan struct{})}
	select {
	case s.limits <- l:
		<-l.done
	case <-s.closing:
	}
}

func (w *writer) limit(l limits) {
	w.maxSize = ownBound(l.maxSize)
	w.mu.Lock()
	w.whenFull = l.whenFull
	w.mu.Unlock()
	w.layout++ // there may be room that was not there before
	w.work()
	close(l.done)
}
