package tail

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"time"
)

// The poller looks at each file that may get lines at its due time. Events only make that unnecessary most of the time:
// they get lost, and some file systems send none.

// The longer a file has been idle, the longer is the time to the next look at it. Where events come, looks are but a
// safeguard.
const (
	maxPoll = 30 // poll intervals between two looks at an idle file, unless there are very many
	// The share of a core that looking at very many idle files takes is limited: each of n files waits n times this.
	perFile = 500 * time.Microsecond
	// If there are more than these and events come, it is less.
	veryMany       = 2000
	perWatchedFile = 4 * perFile
)

// pollInterval returns the time until the next look at a file that is at its path.
func (s *Source) pollInterval(idleFor time.Duration, watched bool) time.Duration {
	back, each := idleFor/8, perFile
	if watched {
		back = idleFor / 2
		if len(s.polls) > veryMany {
			each = perWatchedFile
		}
	}
	if back <= s.cfg.PollInterval {
		return s.cfg.PollInterval
	}
	interval := max(min(back, maxPoll*s.cfg.PollInterval), time.Duration(len(s.polls))*each)
	return interval - rand.N(interval/4) // or files that were found together would always be looked at together
}

// attend schedules the next look at a generation that has just been looked at.
func (s *Source) attend(g *generation, now instant) time.Duration {
	s.mu.Lock()
	home, idleFor := g.away.IsZero(), now.Sub(g.active)
	if g.held || !g.unsaved.IsZero() {
		idleFor = 0 // time alone is a reason to look again
	}
	s.mu.Unlock()
	interval := s.cfg.PollInterval
	if home {
		interval = s.pollInterval(idleFor, s.watch.covers(g.lineage.folder()))
	}
	s.schedule(g, now.Add(interval))
	return interval
}

// pollHeap has the generation that is due next at its root.
type pollHeap []*generation

func (h pollHeap) Len() int           { return len(h) }
func (h pollHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h pollHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].dueIndex, h[j].dueIndex = int32(i), int32(j)
}

func (h *pollHeap) Push(x any) {
	g := x.(*generation)
	g.dueIndex = int32(len(*h))
	*h = append(*h, g)
}

func (h *pollHeap) Pop() any {
	old := *h
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	g.dueIndex = -1
	return g
}

// schedule makes the generation due at that time, or earlier if it was due earlier.
func (s *Source) schedule(g *generation, due instant) {
	switch {
	case g.dueIndex < 0:
		g.due = due
		heap.Push(&s.polls, g)
	case due.Before(g.due):
		g.due = due
		heap.Fix(&s.polls, int(g.dueIndex))
	}
}

// poll looks at all generations that are due.
func (s *Source) poll(ctx context.Context, now instant) {
	s.closeSurplus()
	s.settlePostponed()
	for len(s.polls) > 0 && !s.polls[0].due.After(now) {
		g := heap.Pop(&s.polls).(*generation)
		s.mu.Lock()
		asleep, home := g.dead || g.dormant || g.lineage == nil, g.away.IsZero()
		s.mu.Unlock()
		if asleep {
			continue
		}
		interval := s.attend(g, now)
		switch {
		case !home:
			s.pollAway(ctx, g, now)
		case interval <= s.cfg.PollInterval || !s.scannedWithin(g, interval):
			s.lookSoon(g.lineage) // makes it due earlier if it has changed
		}
	}
}

// scannedWithin says whether a scan came by the generation's path so lately.
func (s *Source) scannedWithin(g *generation, d time.Duration) bool {
	return g.lineage.scan == s.scans.number && time.Since(s.scans.began) < d
}

// pollAway looks at a file that is not at its path any more.
func (s *Source) pollAway(ctx context.Context, g *generation, now instant) {
	s.mu.Lock()
	file, name, givenUp := g.file, g.name, g.givenUp
	s.mu.Unlock()
	if givenUp {
		s.endGivenUp(ctx, g)
		return
	}
	var st fileStat
	switch {
	case file != nil:
		info, err := file.Stat()
		if err != nil {
			return // closed a moment ago
		}
		st = statOf(info)
	case name != "":
		var err error
		if st, err = s.cfg.stat(name); err != nil || !st.identity.same(g.id) {
			s.settleSoon(g.lineage)
			return
		}
	default:
		s.seek(g)
		return
	}
	s.mu.Lock()
	late := s.takeLookLocked(g, st, now)
	s.mu.Unlock()
	if late != nil {
		late.Close()
	}
}

// takeLookLocked acts on how an away file is now. The caller closes what is returned.
func (s *Source) takeLookLocked(g *generation, st fileStat, now instant) handle {
	if g.linked = st.links > 0; !g.linked && g.deleted.IsZero() {
		g.deleted = now
	}
	if file := s.giveUpLocked(g, st.size, now); file != nil {
		return file
	}
	if s.changedLocked(g, st, now) {
		s.enqueueLocked(g)
		return nil
	}
	quiet := now.Sub(g.away) >= s.cfg.Grace && now.Sub(g.active) >= s.cfg.Grace
	known := g.deleted.IsZero() || g.deleted.Before(instantOf(s.saw.at)) // what may have been made of it
	if quiet && known && g.settledLocked() >= st.size && g.quietLocked() && !g.failing {
		g.closing = true
		s.enqueueLocked(g)
	}
	return nil
}

// findable says whether the generation can be read at all.
func (s *Source) findable(g *generation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return g.file != nil || g.name != ""
}

// vanished handles a generation that has neither a name nor a descriptor. It sleeps until it is found again or forgotten;
// but not before its lineage is settled, which may find it.
func (s *Source) vanished(g *generation) {
	if g.lineage != nil && g.lineage.waiting {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sleepLocked(g)
}

// sleepLocked has a generation sleep that nobody found, if nobody can read it.
func (s *Source) sleepLocked(g *generation) {
	if g.file != nil || g.state == held || g.inside != nil || g.givenUp {
		return
	}
	g.dormant = true
	if s.missing[g].IsZero() {
		s.missing[g] = now()
	}
	s.progressLocked(g)
}
