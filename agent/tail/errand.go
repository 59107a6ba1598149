package tail

import (
	"context"
	"time"
)

// To settle a lineage costs a look at each of its rotated files, of which there may be thousands; and where these are
// numbered, one rotation renames all of them, and each of the names makes an event. So whoever comes upon a name that leads
// elsewhere only says that the lineage is to be settled. The conductor does that beside its other work: once for all who
// asked meanwhile, and then it attends to other things for some time. What that delays are rotations that follow each other
// faster than the folder can be looked through.

// errand is a lineage that is to be settled, with those to whom that matters.
type errand struct {
	lineage *lineage
	asked   instant // the last time
	sought  map[*generation]bool
	// newcomers are names that a section covers, and that lead to files which nobody knows. If none is a rotated one of the
	// lineage's they are files of their own.
	newcomers map[string]bool
}

// errands are the conductor's.
type errands struct {
	queue []*errand // of the lineages that are to be settled, each once
	of    map[*lineage]*errand
	timer *time.Timer // runs while there is one; nil before the first
	rest  time.Time   // until then none is run
}

// errandShare is the part of the conductor's time that errands may take: 1/errandShare.
const errandShare = 4

func (e *errands) due() <-chan time.Time {
	if e.timer == nil {
		return nil
	}
	return e.timer.C
}

// arm has the next errand run when the rest after the last one is over.
func (e *errands) arm() {
	delay := time.Until(e.rest)
	if e.timer == nil {
		e.timer = time.NewTimer(delay)
	} else {
		e.timer.Reset(delay)
	}
}

// settleSoon has a lineage settled, and returns the errand.
func (s *Source) settleSoon(l *lineage) *errand {
	e := s.errands.of[l]
	if e == nil {
		e = &errand{lineage: l, sought: map[*generation]bool{}, newcomers: map[string]bool{}}
		s.errands.of[l] = e
		s.errands.queue = append(s.errands.queue, e)
		if len(s.errands.queue) == 1 {
			s.errands.arm()
		}
	}
	e.asked = now()
	return e
}

// lookSoon is look for those who need not know at once.
func (s *Source) lookSoon(l *lineage) {
	if !s.atHome(l) {
		s.settleSoon(l)
	}
}

// seek has a generation looked for that is under none of its names. If it is found it is read, else it has vanished.
func (s *Source) seek(g *generation) { s.settleSoon(g.lineage).sought[g] = true }

// runErrand settles the lineage that has waited longest.
func (s *Source) runErrand(ctx context.Context) {
	began := time.Now()
	e := s.errands.queue[0]
	s.errands.queue = s.errands.queue[1:]
	delete(s.errands.of, e.lineage)
	// A reload may have ended the lineage since, or a scan have settled it.
	if s.lineages[e.lineage.path] == e.lineage && !e.lineage.settled.After(e.asked) {
		s.settle(ctx, e.lineage)
	}
	s.resolveAll(ctx, e.lineage)
	for g := range e.sought {
		s.sought(g, e.lineage)
	}
	s.applyUnknown(ctx, s.matchesAmong(e.newcomers))
	s.errands.rest = time.Now().Add(time.Since(began) * (errandShare - 1))
	if len(s.errands.queue) > 0 {
		s.errands.arm()
	}
}

// matchesAmong returns the regular files at those of the paths that a section covers.
func (s *Source) matchesAmong(paths map[string]bool) (matches []*match) {
	for path := range paths {
		sec := sectionOf(s.sections, path)
		if sec == nil {
			continue
		}
		if st, err := s.cfg.stat(path); err == nil && st.regular {
			matches = append(matches, &match{path: path, section: sec, stat: st})
		}
	}
	return matches
}

// sought goes on with a generation after the lineage was settled in which it was looked for.
func (s *Source) sought(g *generation, settled *lineage) {
	switch {
	case g.lineage != nil && g.lineage != settled:
		s.seek(g) // sections came and went, and it has another one now
	case g.lineage != nil && g.lineage.waiting: // it may have another name, or older ones be asleep yet
		s.schedule(g, now().Add(s.cfg.PollInterval))
	case s.findable(g):
		s.enqueue(g)
	default:
		s.vanished(g)
	}
}
