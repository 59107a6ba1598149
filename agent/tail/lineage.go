package tail

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// This file is the conductor's policy: which file at which name is which generation. All functions are the conductor's.

// lineageOf returns the path's lineage, or makes one if a section matches; otherwise nil.
func (s *Source) lineageOf(path string) *lineage {
	if l := s.lineages[path]; l != nil {
		return l
	}
	sec, log, ok := s.destinationOf(path)
	if !ok {
		return nil
	}
	l := &lineage{path: path, section: sec, log: log}
	s.lineages[path] = l
	return l
}

// destinationOf returns the section that covers the path, and the log that its file feeds.
func (s *Source) destinationOf(path string) (sec *section, log string, ok bool) {
	if sec = sectionOf(s.sections, path); sec == nil {
		return nil, "", false
	}
	log, err := sec.log.render(path)
	if err != nil {
		if s.quiet.may("name "+path, 24*time.Hour) {
			s.log.Warn("file is not tailed: its log would have a bad name", "path", path, "err", err)
		}
		return nil, "", false
	}
	return sec, log, true
}

// look finds out what is at the lineage's path now. What a path waits for may have come to an end that nobody was told of.
func (s *Source) look(ctx context.Context, l *lineage) {
	if !s.atHome(l) || l.waiting {
		s.settle(ctx, l)
	}
}

// atHome says whether the current generation is at the lineage's path still, and notes how it is.
func (s *Source) atHome(l *lineage) bool {
	st, err := s.cfg.stat(l.path)
	if err != nil || !st.regular {
		return false
	}
	g := s.currentIs(l, st)
	if g != nil {
		s.named(g, l.path, st)
	}
	return g != nil
}

// currentIs returns the current generation if st is of it.
func (s *Source) currentIs(l *lineage, st fileStat) *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := l.current; g != nil && !g.dead && g.id.same(st.identity) {
		return g
	}
	return nil
}

// settle accounts for all files of a lineage after its path was found to lead elsewhere: where known generations are
// now, which came and went since the last look, and what is at the path.
func (s *Source) settle(ctx context.Context, l *lineage) {
	l.settled = now()
	if st, err := statPath(l.folder()); err == nil {
		l.folderTime = telling(st.mtime)
	}
	at, siblings := s.collect(l)
	beside := byInode(siblings)
	home, at, wait := s.arrived(ctx, l, at, siblings, beside)
	s.mu.Lock()
	l.waiting = wait
	s.mu.Unlock()
	if wait {
		return
	}
	missed := s.sift(ctx, l, siblings)
	if home != nil && home == l.current {
		missed = nil // nothing was rotated; these are copies
	}
	s.searchOthers(l, beside, home)
	var found []*generation
	for _, m := range missed {
		if s.byInode[m.stat.inode] == nil { // or it was found on the way
			found = append(found, s.add(l, m.path, m.stat))
		}
	}
	switch {
	case home != nil:
		s.named(home, l.path, *at)
		s.mu.Lock()
		l.current = home
		s.mu.Unlock()
	case at != nil && s.byInode[at.inode] == nil: // or it is among the siblings, and was renamed between two looks
		found = append(found, s.add(l, l.path, *at))
	}
	s.endGlimpse(l, siblings)
	s.register(ctx, found)
	s.forgetPast(ctx, l)
	for _, g := range append(found, s.settledIn(l)...) {
		s.enqueue(g)
	}
}

// arrived returns the generation that is at the lineage's path, nil if that is new or if none is there, and what is there to be
// read, nil if nothing is. It says to wait as long as it can't be told what became of the lineage's files: it is settled when
// that is known.
func (s *Source) arrived(ctx context.Context, l *lineage, at *fileStat, siblings []sibling, beside siblingsByInode) (
	home *generation, file *fileStat, wait bool,
) {
	if g := s.occupierOf(at, siblings); g != nil {
		s.postponed[l] = g
		return nil, nil, true
	}
	if s.lookingInside(ctx, l, at, siblings, beside) {
		return nil, nil, true
	}
	if at != nil {
		copied := false
		if home, copied, wait = s.arrivalAt(ctx, l, *at); wait {
			return nil, nil, true
		}
		if copied {
			at = nil
		}
	}
	if s.waitingForCut(ctx, l, siblings, beside, home) {
		return nil, nil, true
	}
	if home != nil && home == l.current { // nothing was rotated
		s.endGlimpse(l, siblings)
		return home, at, false
	}
	return home, at, s.lookingForMissed(ctx, l, siblings, beside)
}

// settledIn returns the lineage's generations that took others' places, and that may be read from now on.
func (s *Source) settledIn(l *lineage) (placed []*generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range l.generations {
		if g.placed {
			g.placed = false
			placed = append(placed, g)
		}
	}
	return placed
}

// arrivalAt returns the generation that is at the lineage's path now, nil if it is new, or a copy, which may be there for good.
// Where the path is a rotated name of another one, a file that nobody has seen was rotated away from there, mostly: so that is
// accounted for before. It says to wait as long as it can't tell.
func (s *Source) arrivalAt(ctx context.Context, l *lineage, at fileStat) (home *generation, copied, wait bool) {
	home = s.identify(ctx, l.path, at)
	if home != nil || len(s.lineagesRotatedTo(l.path)) == 0 {
		return home, false, false
	}
	st, isNew, isCopy := s.isNew(ctx, l.path)
	if home = s.identify(ctx, l.path, at); home != nil {
		return home, false, false
	}
	told := (isNew || isCopy) && st.identity == at.identity
	return nil, isCopy, !told
}

// sift notes the names of the known siblings, and returns those that are generations of the lineage that nobody has
// seen, oldest first. A file that was last written before the oldest known generation was, or that was born before it,
// was there before the path was first seen.
func (s *Source) sift(ctx context.Context, l *lineage, siblings []sibling) []sibling {
	floor := s.floorOf(l)
	type knownSibling struct {
		*generation
		sibling
	}
	var known []knownSibling
	var missed []sibling
	for _, sib := range siblings {
		g := s.identify(ctx, sib.path, sib.stat)
		switch {
		case g != nil:
			known = append(known, knownSibling{g, sib})
		case s.nearerThan(l, sib.path): // another lineage's
		case floor.written == 0 && !s.unseen(sib), floor.written != 0 && sib.packed() && !s.isNews(l, sib), s.independent(sib):
		case floor.above(sib):
		case !slices.ContainsFunc(missed, func(m sibling) bool { return m.stat.inode == sib.stat.inode }):
			missed = append(missed, sib)
		}
	}
	// An older generation must be awake before a newer one is read, or the newer would not wait for it.
	slices.SortFunc(known, func(a, b knownSibling) int { return cmp.Compare(a.ordinal, b.ordinal) })
	for _, k := range known {
		if other := k.lineage; other != nil && other.settled.IsZero() {
			s.settle(ctx, other) // an ambiguous name must not wake a generation before those older than it
		}
		s.named(k.generation, k.sibling.path, k.stat)
	}
	slices.SortStableFunc(missed, oldestFirst)
	return missed
}

// searchOthers looks for the lineage's generations that are neither at the path nor among the siblings.
func (s *Source) searchOthers(l *lineage, beside siblingsByInode, home *generation) {
	s.mu.Lock()
	generations := slices.Clone(l.generations)
	s.mu.Unlock()
	for _, g := range generations {
		if _, found := beside.of(g.id); g != home && !found {
			s.search(g)
		}
	}
}

// find returns under which of its names a generation still is, "" if under none.
func (s *Source) find(g *generation) (name string, st fileStat) {
	s.mu.Lock()
	names := []string{g.name, s.aliases[g], g.path}
	s.mu.Unlock()
	for _, name := range names {
		if name == "" {
			continue
		}
		if st, err := s.cfg.stat(name); err == nil && st.regular && st.identity.same(g.id) {
			return name, st
		}
	}
	return "", st
}

// search finds a generation under one of its names, and notes if it can't be found.
func (s *Source) search(g *generation) bool {
	if name, st := s.find(g); name != "" {
		s.named(g, name, st)
		return true
	}
	s.rename(g, "")
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.away.IsZero() {
		g.away = now()
	}
	return false
}

// named notes that a known generation is at the name now, and has it read if it has changed.
func (s *Source) named(g *generation, name string, st fileStat) {
	s.rename(g, name)
	delete(s.missing, g)
	s.mu.Lock()
	g.linked = st.links > 0
	if g.inside == nil && !g.truncated {
		g.lookedInside = false // whoever looked for it was wrong, and it may be compressed yet
	}
	if g.ordinal == 0 || g.lineage == nil || g.asleepLocked() {
		s.mu.Unlock()
		return
	}
	changed := s.changedLocked(g, st, now())
	if name == g.path {
		g.away, g.dormant = 0, false
		g.log = g.lineage.log
	} else if g.away.IsZero() {
		g.away = now()
	}
	watched := !g.dormant
	s.mu.Unlock()
	if changed {
		s.enqueue(g)
	} else if watched && g.dueIndex < 0 {
		s.attend(g, now())
	}
}

// changedLocked says whether there may be something new in the file, or it is time to try again. A file that was rewritten
// may be as long as it was before.
func (s *Source) changedLocked(g *generation, st fileStat, now instant) bool {
	retry := g.failing && now.Sub(s.failures[g]) >= min(s.cfg.ScanInterval, time.Minute)
	if packed(g.name) { // its size is not that of what is in it; and it is known to be read no more when it was read
		return !g.failing || retry
	}
	return st.size != g.seen || st.mtime != g.checked || g.waiters != nil || retry || s.dueLocked(g, now) || g.overdueLocked(now)
}

// wakeLocked ends a generation's sleep.
func (s *Source) wakeLocked(g *generation) {
	g.dormant = false
	g.active = now()
	if g.name != g.path {
		g.away = g.active
	}
}

// rename keeps byName up to date.
func (s *Source) rename(g *generation, name string) {
	if name == g.path {
		name = g.path // one string for both; there are very many
	}
	s.mu.Lock()
	old := g.name
	g.name = name
	s.mu.Unlock()
	if old == name {
		return
	}
	if s.byName[old] == g {
		delete(s.byName, old)
	}
	if name == "" {
		return
	}
	s.byName[name] = g
	if name != g.path {
		return
	}
	delete(s.aliases, g)
	if _, err := os.Readlink(name); err == nil {
		if alias, err := filepath.EvalSymlinks(name); err == nil {
			s.aliases[g], s.byName[alias] = alias, g
			s.watch.add(filepath.Dir(alias))
		}
	}
}

// add makes a new generation of the lineage, its newest.
func (s *Source) add(l *lineage, name string, st fileStat) *generation {
	g := &generation{id: st.identity, path: l.path, log: l.log, mtime: st.mtime, linked: st.links > 0, begun: telling(st.mtime), dueIndex: -1}
	if name != l.path {
		g.away = now()
	}
	s.mu.Lock()
	g.active = now()
	g.ordinal = l.nextOrdinalLocked()
	s.joinLocked(g, l)
	l.current = g
	s.mu.Unlock()
	s.byInode[st.inode] = g
	s.rename(g, name)
	s.stats.files.Add(1)
	return g
}

// discover makes a lineage's first generation, after those that were rotated away before. These are not read, unless they
// came while nothing was running; but they must be known, or else they would be taken for generations that were missed.
func (s *Source) discover(ctx context.Context, l *lineage, st fileStat, siblings []sibling) []*generation {
	var found []*generation
	slices.SortStableFunc(siblings, oldestFirst)
	for _, sib := range siblings {
		if s.lineages[sib.path] != nil || sectionOf(s.sections, sib.path) != nil || s.identify(ctx, sib.path, sib.stat) != nil {
			continue
		}
		if s.unseen(sib) {
			found = append(found, s.add(l, sib.path, sib.stat))
			continue
		}
		size := sib.stat.size
		if sib.packed() {
			if size = 0; writtenBefore(sib, st.mtime) {
				continue // which tells as much
			}
		}
		g := &generation{
			id: sib.stat.identity, path: l.path, log: l.log, mtime: sib.stat.mtime, linked: sib.stat.links > 0,
			position: size, committed: size, seen: size, dormant: true, dueIndex: -1,
		}
		s.mu.Lock()
		s.joinLocked(g, l)
		s.mu.Unlock()
		s.byInode[g.id.inode] = g
		s.rename(g, sib.path)
		found = append(found, g)
	}
	return append(found, s.add(l, l.path, st))
}
