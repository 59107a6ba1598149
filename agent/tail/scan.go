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
	done    chan *walk // nil while no scan runs; the scan sends, once
	number  uint64
	began   time.Time
	stamp   int64         // what files that were changed then got as their times
	cost    time.Duration // of the last one
	next    *time.Timer   // nil before the first scan
	due     time.Time     // when next fires
	matched int           // by the last one
	again   bool          // another scan was asked for while one ran
	stale   bool          // the sections have changed while one ran
	pruning bool          // folders may be watched in vain
}

// scanShare is the part of the time that scans may take: 1/scanShare.
const scanShare = 100

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
	done := make(chan *walk, 1)
	s.scans.done = done
	s.scans.began, s.scans.stamp = time.Now(), fileClock()
	w := newWalk(s.sections, s.cfg.stat)
	w.ctx = ctx
	w.matches = make([]match, 0, s.scans.matched+s.scans.matched/8)
	s.scans.running.Go(func() { done <- w.run() })
}

// scanSoon has the globs evaluated before their time, because a folder appeared or events were lost.
func (s *Source) scanSoon() {
	if s.scans.done != nil {
		s.scans.again = true // the one that runs may have passed by already
		return
	}
	delay := min(s.scans.cost*scanShare/10, s.cfg.ScanInterval)
	if due := time.Now().Add(delay); due.Before(s.scans.due) { // else a flood of events would put it off for ever
		s.scans.due = due
		s.scans.next.Reset(delay)
	}
}

// applyScan takes in what a scan has found. What it says of known files may be out of date by now; so it is only a hint
// to look.
func (s *Source) applyScan(ctx context.Context, w *walk) {
	s.scans.done = nil
	s.scans.number++
	s.scans.matched = len(w.matches)
	stale, again := s.scans.stale, s.scans.again
	s.scans.stale, s.scans.again = false, false
	if stale {
		w.matches, again = s.rematch(w.matches), true
	}
	for folder := range w.folders {
		if s.watch.add(folder) {
			again = true // what appeared between the walk and the watch made no event
		}
	}
	var unknown []match
	for _, m := range w.matches {
		if !s.applyKnown(ctx, m) {
			unknown = append(unknown, m)
		}
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
	delay := max(s.cfg.ScanInterval, s.scans.cost*scanShare)
	s.scans.due = time.Now().Add(delay)
	if s.scans.next == nil {
		s.scans.next = time.NewTimer(delay)
	} else {
		s.scans.next.Reset(delay)
	}
	if again {
		s.scanSoon()
	}
	s.scanned.Add(1)
}

// applyKnown handles a path that has a lineage already.
func (s *Source) applyKnown(ctx context.Context, m match) bool {
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
	} else if g := s.currentIs(l, m.stat); g != nil {
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
		if !noted || s.scans.number == 1 || folderChanged(l) {
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
	return err == nil && (st.mtime != l.folderTime || l.settled.UnixNano()-st.mtime < int64(clockTick))
}

// applyUnknown handles paths without a lineage: known files under other names, and new ones. New ones that feed the
// same log are put in the order in which they were written.
func (s *Source) applyUnknown(ctx context.Context, unknown []match) {
	byLog := map[string][]match{}
	var logs []string // in a fixed order: of the names of one file the first one counts
	for _, m := range unknown {
		if st, ok := s.isNew(ctx, m.path); ok {
			m.stat = st
			m.passed = s.passed(m)
			if log, err := m.section.log.render(m.path); err == nil {
				if byLog[log] == nil {
					logs = append(logs, log)
				}
				byLog[log] = append(byLog[log], m)
			} else {
				s.lineageOf(m.path) // says why it is not tailed
			}
		}
	}
	var found, fresh []*generation
	for _, log := range logs {
		matches := byLog[log]
		writtenOrder(matches)
		var previous *afterOnce
		for _, m := range matches {
			l := s.lineageOf(m.path)
			if l == nil || s.byInode[m.stat.inode] != nil {
				continue // a second name of a file that was new a moment ago
			}
			l.scan = s.scans.number
			all := s.discover(ctx, l, m.stat)
			found = append(found, all...)
			g := all[len(all)-1]
			fresh = append(fresh, g)
			if m.passed {
				s.skip(g, m.stat.size)
			}
			if previous != nil {
				g.after = append(g.after, previous)
			}
			previous = &afterOnce{generation: g, size: m.stat.size}
		}
	}
	var more []spool.Checkpoint
	if s.first {
		s.first = false
		s.mu.Lock()
		more = append(more, s.activeLocked(), spool.Checkpoint{Key: resumedKey})
		s.mu.Unlock()
	}
	s.register(ctx, found, more...)
	for _, g := range fresh {
		if len(fresh) > s.cfg.MaxOpen {
			s.enqueueLater(g)
		} else {
			s.enqueue(g)
		}
	}
}

// isNew says whether a path without a lineage leads to a file that no one has seen. It makes sure that the file is not a
// generation that was rotated away from a path with a lineage: after the look at the file it looks at that path, where
// such a rotation must show.
func (s *Source) isNew(ctx context.Context, path string) (fileStat, bool) {
	st, err := s.cfg.stat(path)
	if err != nil || !st.regular {
		return st, false
	}
	g := s.identify(ctx, path, st)
	waiting := false
	if g == nil {
		s.expect(path, st)
		for _, l := range s.lineagesRotatedTo(path) {
			if l.waiting {
				s.settle(ctx, l) // whom it has waited for may be gone
			} else {
				s.look(ctx, l)
			}
			waiting = waiting || l.waiting
		}
		g = s.identify(ctx, path, st)
	}
	if g == nil {
		return st, !waiting && !s.isCopy(path, st)
	}
	if g.ordinal == 0 || g.lineage == nil {
		return st, s.reconsider(g, path)
	}
	s.named(g, path, st)
	return st, false
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
