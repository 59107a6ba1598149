package tail

import "math"

// A log must get its lines in the order in which they were written. Within one generation that is the order of the
// file. Between generations of one path, the writer goes from an older to a newer one, and it may do so while we read.
// So before bytes of a newer generation are read, this is established, in this order:
//
//  1. the newer one's size is taken: only bytes below it are cleared;
//  2. the older ones' sizes and times of modification are taken;
//  3. the older ones are read up to these sizes, and what was read is committed. One that has not grown, and was modified
//     all the same, is looked into: it may have been written anew.
//
// Whatever the writer wrote to an older generation before it wrote a cleared byte is then in the spool before it.
// Newly found files that feed the same log wait for each other in the same way, but once only.

// afterOnce makes a generation wait until another one is settled up to a size.
type afterOnce struct {
	generation *generation
	size       int64
}

// waiter is a generation that waits for another to be settled up to target, after so many looks that find it whole.
type waiter struct {
	generation *generation
	target     int64
	looks      int8
	next       *waiter // another one that waits for the same
}

// Targets that are no sizes.
const (
	toBeTaken = -1            // the size is still to be taken
	notFound  = math.MaxInt64 // the file was renamed a moment ago, and must be found before its size can be taken
)

// clear says up to where the holder may read the generation, whose size was taken before. If it returns false, the
// generation is queued again when its turn has come.
func (s *Source) clear(g *generation, size int64) (limit int64, ok bool) {
	s.mu.Lock()
	if g.cleared > g.seen {
		defer s.mu.Unlock()
		return min(size, g.cleared), true
	}
	older := s.olderLocked(g)
	s.mu.Unlock()
	for i := range older {
		if older[i].target == toBeTaken {
			older[i].target, older[i].looks = s.extentOf(older[i].generation)
		}
		if size <= g.seen { // nothing is to be read; but those that nobody has found must be looked for
			older[i].looks = 0
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if g.lineage == nil { // no section covers it any more
		return 0, false
	}
	g.pending = size
	for _, o := range older {
		if p := o.generation; !p.passesLocked(&o) {
			p.waiters = &waiter{generation: g, target: o.target, looks: o.looks, next: p.waiters}
			g.blockers++
			s.enqueueLocked(p)
			if o.target == notFound {
				s.searchLocked(p)
			}
		}
	}
	if g.blockers > 0 {
		return 0, false
	}
	g.cleared = size
	return size, true
}

// olderLocked returns what g must wait for.
func (s *Source) olderLocked(g *generation) []waiter {
	var older []waiter
	if a := g.after; a != nil {
		w := waiter{generation: a.generation, target: a.size}
		if a.generation.passesLocked(&w) {
			g.after = nil
		} else {
			older = append(older, w)
		}
	}
	if g.lineage == nil {
		return older
	}
	for _, p := range g.lineage.generations {
		if p.ordinal < g.ordinal && !p.outOfPlayLocked() {
			older = append(older, waiter{generation: p, target: toBeTaken})
		}
	}
	return older
}

// passesLocked says whether one that waits for p may go on.
func (p *generation) passesLocked(w *waiter) bool {
	return p.outOfPlayLocked() || w.looks == 0 && p.settledLocked() >= w.target
}

// outOfPlayLocked says whether p holds up nobody, as it can't be read, or no section covers it: its lines come late, which is
// better than two files standing still. But those that are on their way to the spool already come first.
func (p *generation) outOfPlayLocked() bool {
	return p.dead || p.lineage == nil || (p.dormant || p.failing) && !p.underwayLocked()
}

// progressLocked lets those go on that waited for what p has reached.
func (s *Source) progressLocked(p *generation) {
	s.releaseLocked(p, p.passesLocked)
}

// releaseLocked lets those waiters of p go on of which the function says so.
func (s *Source) releaseLocked(p *generation, may func(*waiter) bool) {
	for at := &p.waiters; *at != nil; {
		w := *at
		if !may(w) {
			at = &w.next
			continue
		}
		*at = w.next
		if w.generation.blockers--; w.generation.blockers == 0 {
			w.generation.cleared = w.generation.pending
			s.enqueueLocked(w.generation)
		}
	}
}

// redirectLocked lets those who wait for p find out anew what they must wait for: its place is another one's now, or
// what they wait for is a place in it that is no more.
func (s *Source) redirectLocked(p *generation) {
	for w := p.waiters; w != nil; w = w.next {
		w.generation.pending = 0
	}
	s.releaseLocked(p, func(*waiter) bool { return true })
}

// foundLocked lets those look again who could not take the size of g.
func (s *Source) foundLocked(g *generation) {
	for w := g.waiters; w != nil; w = w.next {
		if w.target == notFound {
			w.generation.pending = 0
		}
	}
	s.releaseLocked(g, func(w *waiter) bool { return w.target == notFound })
}

// extentOf returns a generation's size, or notFound, and how many looks must find it whole before what was read of it counts.
func (s *Source) extentOf(g *generation) (size int64, looks int8) {
	st, ok := s.statNow(g)
	if !ok {
		return notFound, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case g.state == held: // what its holder has seen may be older than st
		looks = 2
	case g.state == queued, g.inflight, g.blockers > 0, st.mtime != g.checked:
		looks = 1
	}
	return st.size, looks
}

// statNow looks at a generation that another one may hold at this moment.
func (s *Source) statNow(g *generation) (st fileStat, ok bool) {
	s.mu.Lock()
	file, name := g.file, g.name
	s.mu.Unlock()
	if file != nil {
		if info, err := file.Stat(); err == nil { // safe against a Close at the same time
			return statOf(info), true
		}
	}
	if name != "" && !packed(name) { // how much is in a compressed file shows when it is open
		if st, err := s.cfg.stat(name); err == nil && st.identity.same(g.id) {
			return st, true
		}
	}
	return st, false
}
