package tail

import (
	"context"
	"sync"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// scanState is the conductor's view of the scans, which run beside it one at a time: walking a big tree takes a while,
// and lines that come meanwhile must not wait for it.
type scanState struct {
	running sync.WaitGroup
	done    chan *walk   // nil while no scan runs; the scan sends, once
	parts   chan []match // the scan sends what it finds on the way
	unknown []*match     // those that the one that runs has found on paths without a lineage
	number  uint32       // of the one that runs, or ran last
	began   time.Time
	stamp   int64         // what files that were changed then got as their times
	cost    time.Duration // of the last one
	next    *time.Timer   // nil before the first scan
	due     time.Time     // when next fires
	again   bool          // another scan was asked for while one ran
	stale   bool          // the sections have changed while one ran
	pruning bool          // folders may be watched in vain
}

// The part of the time that scans may take is 1/Config.scanFactor; with very many files, and events of all folders, as
// little as a third of that.
const (
	defaultScanFactor = 100
	watchedFactor     = 3
)

func (st *scanState) timer() <-chan time.Time {
	if st.next == nil {
		return nil
	}
	return st.next.C
}

// startScan evaluates all globs, unless that is being done already.
func (s *Source) startScan(ctx context.Context) {
	if s.scans.done != nil {
		return
	}
	done, parts := make(chan *walk, 1), make(chan []match)
	s.scans.done, s.scans.parts = done, parts
	s.scans.number++
	s.scans.began, s.scans.stamp = time.Now(), fileClock()
	w := newWalk(s.sections, s.cfg.stat)
	w.ctx, w.parts = ctx, parts
	s.scans.running.Go(func() { done <- w.run() })
}

// scanSoon has the globs evaluated before their time, because a folder appeared or events were lost.
func (s *Source) scanSoon() {
	if s.scans.done != nil {
		s.scans.again = true // the one that runs may have passed by already
		return
	}
	delay := min(s.scanRest()/10, s.cfg.ScanInterval)
	if due := time.Now().Add(delay); due.Before(s.scans.due) { // else a flood of events would put it off for ever
		s.scans.due = due
		s.scans.next.Reset(delay)
	}
}

// applyMatches takes in some of what a scan finds. What it says of known files may be out of date by now; so it is only a
// hint to look.
func (s *Source) applyMatches(ctx context.Context, matches []match) {
	for i := range matches {
		if m := &matches[i]; !s.applyKnown(ctx, m) {
			s.scans.unknown = append(s.scans.unknown, m)
		}
	}
}

// applyScan takes in the rest of what a scan has found, and what can be said only when that is complete.
func (s *Source) applyScan(ctx context.Context, w *walk) {
	s.applyMatches(ctx, w.matches)
	unknown := s.scans.unknown
	stale, again := s.scans.stale, s.scans.again || s.scans.stale
	s.scans.done, s.scans.unknown, s.scans.stale, s.scans.again = nil, nil, false, false
	if stale {
		unknown = s.rematch(unknown)
	}
	watched := true
	for folder := range w.folders {
		if s.watch.add(folder) {
			again = true // what appeared between the walk and the watch made no event
		}
		watched = watched && s.watch.covers(folder)
	}
	s.lookMissing(ctx)
	s.applyUnknown(ctx, unknown)
	s.sawAll(ctx)
	s.sweep(ctx)
	s.folders.clear()
	if s.scans.pruning && !stale {
		s.prune(w)
		s.scans.pruning = false
	}
	s.updateStats()

	s.scans.cost = time.Since(s.scans.began)
	s.scanLater(watched)
	if again {
		s.scanSoon()
	}
	s.scanned.Add(1)
}

// scanRest returns the time that must be between two scans, by what the last one has cost.
func (s *Source) scanRest() time.Duration { return s.scans.cost * time.Duration(s.cfg.scanFactor) }

// scanLater sets the time of the next scan by what the last one has cost.
func (s *Source) scanLater(watched bool) {
	rest := s.scanRest()
	delay := max(s.cfg.ScanInterval, rest)
	if watched && len(s.lineages) > veryMany {
		delay = max(delay, min(rest*watchedFactor, time.Duration(len(s.lineages))*perWatchedFile))
	}
	s.scans.due = time.Now().Add(delay)
	if s.scans.next == nil {
		s.scans.next = time.NewTimer(delay)
	} else {
		s.scans.next.Reset(delay)
	}
}

// applyKnown handles a path that has a lineage already.
func (s *Source) applyKnown(ctx context.Context, m *match) bool {
	l := s.lineages[m.path]
	if l == nil {
		return false
	}
	l.scan = s.scans.number
	s.mu.Lock()
	several := len(l.generations) > 1
	s.mu.Unlock()
	if s.scans.number == 1 && several {
		s.settle(ctx, l) // the older ones must be found before the current one is read
	} else if g := s.currentIs(l, m.stat); g != nil && !l.waiting {
		s.named(g, m.path, m.stat)
	} else {
		s.look(ctx, l)
	}
	return true
}

// lookMissing looks after the lineages whose path leads nowhere since this scan.
func (s *Source) lookMissing(ctx context.Context) {
	for _, l := range s.lineages {
		if l.scan == s.scans.number {
			continue
		}
		s.mu.Lock()
		noted := l.current != nil && !l.current.away.IsZero()
		s.mu.Unlock()
		if !noted || l.waiting || s.scans.number == 1 || folderChanged(l) {
			s.look(ctx, l) // even if it was missing before: a file may have come and been rotated away since
		}
		s.mu.Lock()
		empty := len(l.generations) == 0
		s.mu.Unlock()
		if empty {
			delete(s.lineages, l.path)
		}
	}
}

// folderChanged says whether names in the lineage's folder may have changed since it was settled.
func folderChanged(l *lineage) bool {
	st, err := statPath(l.folder())
	return err == nil && st.mtime != l.folderTime
}

// applyUnknown handles paths without a lineage: known files under other names, and new ones. New ones that feed the
// same log are put in the order in which they were written. It may change the matches.
func (s *Source) applyUnknown(ctx context.Context, unknown []*match) {
	matches := s.onlyNew(ctx, unknown)
	writtenOrder(matches)
	var found, unread []*generation
	var previous *afterOnce // of the same log
	log := int32(0)
	for i, m := range matches {
		matches[i] = nil // there may be very many, which become something larger here
		if m.log != log {
			previous, log = nil, m.log
		}
		l := s.lineageOf(m.path)
		if l == nil || s.byInode[m.stat.inode] != nil {
			continue // a second name of a file that was new a moment ago
		}
		l.scan = s.scans.number
		siblings := s.siblingsOf(l.path, time.Second) // those before its time; thousands may be found within a second
		if g := s.occupierOf(nil, siblings); g != nil {
			s.postpone(l, g)
			continue
		}
		all := s.discover(ctx, l, m.stat, siblings)
		found = append(found, all...)
		g := all[len(all)-1]
		if m.passed && s.skip(g, m.stat) {
			s.attend(g, now())
		} else {
			unread = append(unread, g)
		}
		g.after = previous
		previous = &afterOnce{generation: g, size: m.stat.size}
	}
	if s.first {
		s.first = false
		s.mu.Lock()
		s.registerLocked(ctx, registration{found: found, more: []spool.Checkpoint{{Key: resumedKey}}, stamp: true})
		s.mu.Unlock()
	} else {
		s.register(ctx, found)
	}
	for _, g := range unread {
		s.enqueue(g)
	}
}

// onlyNew returns those matches that are files that no one has seen, and says which of them feed the same log.
func (s *Source) onlyNew(ctx context.Context, matches []*match) []*match {
	fresh := matches[:0]
	logs := map[string]int32{} // numbered as they appear: of the names of one file the first one counts
	for _, m := range matches {
		st, ok, _ := s.isNew(ctx, m.path)
		if !ok {
			continue
		}
		log, err := m.section.log.render(m.path)
		if err != nil {
			s.lineageOf(m.path) // says why it is not tailed
			continue
		}
		if _, known := logs[log]; !known {
			logs[log] = int32(len(logs))
		}
		m.stat, m.log = st, logs[log]
		m.passed = s.passed(m)
		fresh = append(fresh, m)
	}
	return fresh
}

// isNew says whether a path without a lineage leads to a file that no one has seen. It makes sure that the file is not a
// generation that was rotated away from a path with a lineage: after the look at the file it looks at that path, where
// such a rotation must show. A copy that lasts is said to be one; it is new when it is none any more.
func (s *Source) isNew(ctx context.Context, path string) (st fileStat, isNew, isCopy bool) {
	st, err := s.cfg.stat(path)
	if err != nil || !st.regular {
		return st, false, false
	}
	if g := s.occupier(st); g != nil {
		s.postponed[nil] = g
		return st, false, false
	}
	g := s.identify(ctx, path, st)
	waiting := false
	if g == nil {
		s.expect(path, st)
		for _, l := range s.lineagesRotatedTo(path) {
			s.look(ctx, l)
			waiting = waiting || l.waiting
		}
		g = s.identify(ctx, path, st)
	}
	switch {
	case g == nil && waiting:
		return st, false, false
	case g == nil:
		copied, lasts := s.isCopy(path, st)
		return st, !copied, lasts
	case g.ordinal == 0 || g.lineage == nil:
		return st, s.reconsider(g, path), false
	}
	s.named(g, path, st)
	return st, false, false
}

// reconsider handles a file that was known but not tailed, and that a section matches now: because the sections have
// changed since its checkpoint was written. One that was skipped is new; another one goes on where its reading ended.
func (s *Source) reconsider(g *generation, path string) (isNew bool) {
	l := s.lineageOf(path)
	if l == nil {
		return false
	}
	s.mu.Lock()
	skipped := g.ordinal == 0
	busy := g.inflight
	s.mu.Unlock()
	if busy {
		return false // its checkpoint is being written; the next scan will see
	}
	if skipped {
		s.drop(g)
		return true
	}
	s.mu.Lock()
	g.path, g.log = path, l.log
	s.joinLocked(g, l)
	l.current = g
	s.mu.Unlock()
	if st, err := s.cfg.stat(path); err == nil && st.identity.same(g.id) {
		s.named(g, path, st)
	}
	return false
}
