package tail

import "context"

// The ready queue is first in, first out, and a generation leaves it for one chunk at a time: a file that grows without
// end costs the others one chunk's time each round.

// enqueueLocked has a worker look at the generation as soon as there is one. One that sleeps while its path waits is woken when
// that is settled, after those that are older.
func (s *Source) enqueueLocked(g *generation) {
	switch {
	case g.dead || g.ending || g.ordinal == 0 || g.lineage == nil || g.file == nil && g.name == "" && g.inside == nil:
	case g.asleepLocked():
	case g.state == held:
		g.again = true
	case g.state == idle:
		if g.dormant {
			s.wakeLocked(g)
		}
		g.state = queued
		s.ready = append(s.ready, g)
		s.work.Signal()
	}
}

// next blocks until a generation is ready, and holds it for the caller; nil when the source stops.
func (s *Source) next() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 && !s.stopping {
		s.work.Wait()
	}
	if s.stopping {
		return nil
	}
	g := s.ready[0]
	s.ready[0] = nil
	if s.ready = s.ready[1:]; len(s.ready) == 0 {
		s.ready = nil // or the array would grow for ever
	}
	g.state = held
	g.again = false
	return g
}

// release ends next's hold. With again the generation is queued behind all others.
func (s *Source) release(g *generation, again bool) {
	s.mu.Lock()
	g.state = idle
	s.progressLocked(g)
	if again || g.again {
		s.enqueueLocked(g)
	}
	s.mu.Unlock()
	s.closeSurplus()
}

// worker reads ready generations until the source stops.
func (s *Source) worker(ctx context.Context) {
	r := &reader{source: s}
	for {
		g := s.next()
		if g == nil {
			return
		}
		again := r.read(ctx, g)
		s.release(g, again)
	}
}
