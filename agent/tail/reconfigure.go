package tail

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
)

// The sections may change while the source runs. What is known of files stays: how far they are read, who waits for whom,
// which descriptors are open. Only three things follow from the sections, and are derived anew: whether a file is read,
// which log its lines go to, and what is done to them on the way. A batch that was made before goes where it was to go; all that is
// read from then on goes by the new sections, older generations before newer ones as ever.
//
// A file that no section covers any more is let go, and its checkpoint kept: when a section covers it again it is read
// on from there, together with what its path was rotated to meanwhile.

// reconfiguration asks the conductor to change the sections.
type reconfiguration struct {
	sections []*section
	done     chan struct{} // closed when they are in effect
}

var errStopped = errors.New("the file source has stopped")

// Reconfigure replaces the sections, all or none: the error names what is wrong with the new ones, and the old ones stay
// in effect. At return each line that is read goes by the new ones; files that they cover and the old ones did not are
// found shortly after. It waits for Run to begin, and is safe for concurrent use.
func (s *Source) Reconfigure(sections []Section) error {
	parsed, err := parseSections(sections, s.cfg.Host)
	if err != nil {
		return err
	}
	r := reconfiguration{sections: parsed, done: make(chan struct{})}
	select {
	case s.reconfigurations <- r:
		<-r.done
		return nil
	case <-s.stopped:
		return errStopped
	}
}

// reconfigure puts new sections into effect.
func (s *Source) reconfigure(ctx context.Context, sections []*section) {
	s.sections = sections
	s.redirect()
	s.rejoin()
	s.scans.pruning = true
	if s.scans.done != nil {
		s.scans.stale = true
	} else {
		s.startScan(ctx)
	}
}

// redirect gives each lineage its section and its log, and parts with those that have none any more.
func (s *Source) redirect() {
	sections, logs := make(map[*lineage]*section, len(s.lineages)), make(map[*lineage]string, len(s.lineages))
	for path, l := range s.lineages {
		if sec, log, ok := s.destinationOf(path); ok {
			sections[l], logs[l] = sec, log
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, l := range s.lineages {
		if l.section = sections[l]; l.section == nil {
			s.uncoverLocked(l)
			delete(s.lineages, path)
			delete(s.over, l)
			continue
		}
		l.log = logs[l]
		for _, g := range l.generations {
			g.log, g.section = l.log, l.section
		}
	}
}

// uncoverLocked takes the generations out of a lineage that ends. Nobody waits for them, nor they for anybody: if they
// are read again, order is established anew.
func (s *Source) uncoverLocked(l *lineage) {
	for _, g := range l.generations {
		if g.orphaned { // all others are known by their inodes
			s.uncovered = append(s.uncovered, g)
		}
		s.unaskLocked(g)
		g.lineage, g.after, g.cleared, g.pending = nil, nil, 0, 0
		s.releaseLocked(g, func(*waiter) bool { return true })
	}
	l.generations, l.current = nil, nil
}

// rejoin puts generations without a lineage into that of their path, if a section covers it now.
func (s *Source) rejoin() {
	joined := map[*lineage]bool{}
	known := slices.AppendSeq(s.uncovered, maps.Values(s.byInode))
	s.uncovered = nil
	for _, g := range known {
		if g.lineage != nil {
			continue
		}
		l := s.lineageOf(g.path)
		if l == nil && g.orphaned {
			s.uncovered = append(s.uncovered, g)
		}
		if l == nil {
			continue
		}
		joined[l] = true
		s.mu.Lock()
		s.joinLocked(g, l)
		g.log = l.log
		// Of those that may have unread lines a newer one waits for an older one, until that is found or missed.
		g.dormant = g.ordinal == 0 || g.past || g.orphaned || g.dormant && g.proven
		dormant := g.dormant
		s.mu.Unlock()
		if !dormant {
			s.schedule(g, g.active) // at once
		}
	}
	for l := range joined {
		s.mu.Lock()
		slices.SortFunc(l.generations, func(a, b *generation) int { return cmp.Compare(a.ordinal, b.ordinal) })
		l.current = l.generations[len(l.generations)-1]
		s.mu.Unlock()
	}
}

// rematch returns those matches of a scan under earlier sections that are matches under the present ones.
func (s *Source) rematch(matches []*match) []*match {
	kept := matches[:0]
	for _, m := range matches {
		if m.section = sectionOf(s.sections, m.path); m.section != nil {
			kept = append(kept, m)
		}
	}
	return kept
}

// closeUncovered closes a generation's file if no section covers it.
func (s *Source) closeUncovered(g *generation) {
	s.mu.Lock()
	if g.lineage != nil || g.file == nil || !g.quietLocked() {
		s.mu.Unlock()
		return
	}
	file := s.dropLocked(g)
	s.mu.Unlock()
	file.Close()
}

// prune ends the watches of folders in which nothing is tailed any more.
func (s *Source) prune(w *walk) {
	needed := w.folders
	for name, g := range s.byName {
		if g.lineage != nil {
			needed[filepath.Dir(name)] = true
		}
	}
	s.watch.keep(needed)
}
