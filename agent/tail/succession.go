package tail

import (
	"context"
	"slices"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// successor returns the generation that takes over the place and the position of g in sib.
func (s *Source) successor(g *generation, sib sibling) *generation {
	now := now()
	grown := sib.stat.size
	if sib.packed() {
		grown = 0 // not known yet
	}
	return &generation{
		id: sib.stat.identity, path: g.path, log: g.log, section: g.section, ordinal: g.ordinal, lineage: g.lineage,
		name: sib.path, away: now, active: now, mtime: g.mtime, linked: sib.stat.links > 0, grown: grown,
		position: g.position, committed: g.position, seen: g.position, head: g.head, tail: g.tail, stored: g.stored, dueIndex: -1,
	}
}

// restartBehind is restart, where the copies of what nobody has seen are to be found among the unknown siblings.
func (s *Source) restartBehind(ctx context.Context, g, copied *generation, unknown []sibling, looked int64) {
	var behind inode
	if copied != nil {
		behind = copied.id.inode
	}
	missed, err := s.later(g, unknown, behind)
	if hasMoved(err) {
		s.mu.Lock()
		g.lookedInside = false
		s.mu.Unlock()
		s.again(g)
		return
	}
	s.restart(ctx, g, copied, missed, looked)
}

// restart has a truncated file read from its beginning, after the copy of what it has lost, if there is one, and after
// the copies of what nobody has seen of it: where the path waits, not before that is settled. Copies that were compressed
// by the time at which these were looked for are accounted for.
func (s *Source) restart(ctx context.Context, g, copied *generation, missed []sibling, looked int64) {
	l := g.lineage
	s.mu.Lock()
	home := g.away.IsZero()
	s.mu.Unlock()
	if home {
		l.accounted = looked
		if copied == nil && g.position > 0 { // what came while this was found out may be the copy without the last lines
			l.accounted = time.Now().UnixNano()
			s.leave(ctx, g)
		}
	}
	s.stats.truncations.Add(1)
	var found []*generation
	if copied != nil {
		s.takeOver(g, copied)
		found = append(found, copied)
	}
	for _, m := range missed {
		found = append(found, s.add(l, m.path, m.stat))
	}
	s.mu.Lock()
	s.sayRestartLocked(g, copied, len(missed))
	g.beginAnewLocked()
	delete(s.begins, g)
	if last := l.generations[len(l.generations)-1]; len(found) > 0 && (last == g || len(missed) > 0) {
		l.moveLastLocked(g)
	}
	found = append(found, g)
	for _, f := range found {
		f.placed = l.waiting
	}
	s.redirectLocked(g)
	s.mu.Unlock()
	s.forgetCopies(g)
	l.glimpse = nil
	s.register(ctx, found)
	for _, f := range found {
		s.enqueue(f)
	}
	if !home {
		s.settle(ctx, l) // it has waited for this
	}
}

func (s *Source) sayRestartLocked(g, copied *generation, missed int) {
	end := g.position
	if copied != nil {
		end = max(end, copied.grown)
		s.log.Info("file was copied and truncated; reading the rest of the copy, and then the file from its beginning",
			"path", g.path, "log", g.log, "copy", copied.name, "position", g.position, "copied", copied.grown, "missed", missed)
	} else {
		s.log.Warn("file was truncated or rewritten in place; reading it from its beginning",
			"path", g.path, "log", g.log, "position", g.position, "missed", missed)
	}
	known := copied == nil && missed == 0 || copied != nil && !packed(copied.name)
	switch lost := g.grown - end; {
	case known && lost > 0:
		s.loseLocked(g, spool.Truncated, lost, 0)
	case copied == nil && missed == 0 && g.unmet: // what was written since the last run looked nobody knows
		s.oweLocked(g, spool.Loss{Log: g.log, File: g.path, Reason: spool.Unseen})
	}
	g.unmet = false
}

// takeOver puts a generation in the place of another one.
func (s *Source) takeOver(g, c *generation) {
	l := g.lineage
	s.stats.copies.Add(1)
	s.mu.Lock()
	i := slices.Index(l.generations, g)
	l.generations = slices.Insert(l.generations, i, c)
	s.redirectLocked(g)
	s.mu.Unlock()
	s.byInode[c.id.inode] = c
	s.byName[c.name] = c
}

// replace puts a generation in the place of one whose file is no more.
func (s *Source) replace(ctx context.Context, g, c *generation) {
	c.placed = true // before anybody knows it
	s.takeOver(g, c)
	s.drop(g)
	s.mu.Lock()
	if l := c.lineage; l.current == g {
		l.current = c
	}
	s.mu.Unlock()
	s.register(ctx, []*generation{c})
	s.erase(ctx, g)
	s.settleSoon(c.lineage)
}
