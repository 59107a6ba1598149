package tail

import (
	"context"
	"maps"
	"math"
	"os"
	"slices"
)

// A file may come to a path, be rotated away, and be compressed before anybody looks, or before anything is read of it. The
// compressed file that is left must be told from those that hold what was read. What was last written to before the oldest
// generation that is known was is accounted for, and never read: its lines would come after newer ones. As the generations that
// are known are the newest without a gap (past.go), any other compressed file was made of one of those that have no name any
// more, or holds what nobody has read. So what is in it is compared with what was read of them. That means to decompress it, so
// that another goroutine does it, while the lineage waits.
//
// The same goes for the copies of a file that is truncated: when that is noticed, some may have been made and compressed since
// the last time (copies.go). A copy may also lack the last lines that were read of the file. So as long as the copy of what
// was read is not found, any of them may be that, and none is read.

// glimpse finds out which compressed siblings of a lineage hold what nobody has read.
type glimpse struct {
	unread map[content]bool // what is known of them; guarded by Source.mu
	busy   bool             // the goroutine runs; guarded by Source.mu
}

// content names what is in a sibling: where the file system knows no times of birth, more than its identity is needed for that.
type content struct {
	identity
	mtime, size int64
}

func (sib sibling) content() content {
	return content{sib.stat.identity, sib.stat.mtime, sib.stat.size}
}

// trace is what tells whether a compressed file was made of a generation.
type trace struct {
	position   int64
	head, tail probe
	end        int64    // when it was written to at the latest
	whole      bool     // it was read to its end after it was deleted
	file       *os.File // nil if it is closed; others may close it
}

// isNews says whether a glimpse has found that a compressed sibling holds what nobody has read.
func (s *Source) isNews(l *lineage, sib sibling) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.glimpse != nil && l.glimpse.unread[sib.content()]
}

// mayBeMissed says whether a compressed sibling that is not known may hold what nobody has read, by its time alone. Of a
// lineage without generations, that is not known (unseen).
func (s *Source) mayBeMissed(l *lineage, f floor, sib sibling) bool {
	return sib.packed() && f.written != 0 && !f.above(sib) && !s.independent(sib) && !s.nearerThan(l, sib.path)
}

// lookingForMissed says whether it must first be found out which compressed siblings hold what nobody has read.
func (s *Source) lookingForMissed(ctx context.Context, l *lineage, siblings []sibling, beside siblingsByInode) bool {
	f := s.floorOf(l)
	return s.glimpsing(ctx, l, siblings, beside, func(sib sibling) bool { return s.mayBeMissed(l, f, sib) })
}

// mayBeMissedCopy says whether a compressed sibling that is not known may have been made of a copy of what was in g later than
// what was read: it must have been made before this run, or in it since the last look for such copies.
func (s *Source) mayBeMissedCopy(g *generation, sib sibling) bool {
	l := g.lineage
	if l == nil {
		return false // its inode was given to one of them
	}
	since := max(l.accounted, s.started)
	return sib.packed() && (sib.stat.born > since || s.madeBefore(sib.stat)) && s.writtenLater(g, sib)
}

// isMissedCopy says whether a glimpse has found that it was.
func (s *Source) isMissedCopy(g *generation, sib sibling) bool {
	return sib.packed() && s.isNews(g.lineage, sib) && s.writtenLater(g, sib)
}

// endGlimpse forgets what was found out, but for which compressed files that are still there hold what was read: what holds
// anything else is known by now, or its lines are read elsewhere meanwhile.
func (s *Source) endGlimpse(l *lineage, siblings []sibling) {
	g := l.glimpse
	if g == nil {
		return
	}
	there := make(map[content]bool, len(siblings))
	for _, sib := range siblings {
		there[sib.content()] = true
	}
	s.mu.Lock()
	deciding := slices.ContainsFunc(l.generations, func(g *generation) bool { return g.truncated }) // with what was found out
	maps.DeleteFunc(g.unread, func(c content, unread bool) bool { return unread && !deciding || !there[c] })
	over := len(g.unread) == 0 && !g.busy
	s.mu.Unlock()
	if over {
		l.glimpse = nil
	}
}

// resolveAll goes on with the lineage's truncated files, which had to wait.
func (s *Source) resolveAll(ctx context.Context, l *lineage) {
	s.mu.Lock()
	generations := slices.Clone(l.generations)
	s.mu.Unlock()
	for _, g := range generations {
		s.mu.Lock()
		truncated := g.truncated && g.inside == nil && g.lineage == l
		s.mu.Unlock()
		if truncated {
			s.resolve(ctx, g)
		}
	}
}

// glimpsing says whether it must first be found out what is in those compressed siblings of which the function says that
// they may hold what nobody has read.
func (s *Source) glimpsing(ctx context.Context, l *lineage, siblings []sibling, beside siblingsByInode, may func(sibling) bool) bool {
	g := l.glimpse
	if g == nil {
		g = &glimpse{unread: map[content]bool{}}
	}
	s.mu.Lock()
	busy := g.busy
	s.mu.Unlock()
	if busy {
		return true
	}
	if !slices.ContainsFunc(siblings, may) {
		return false
	}
	unknown := s.unknownOf(ctx, l, siblings)
	files := slices.DeleteFunc(unknown, func(sib sibling) bool {
		_, known := g.unread[sib.content()]
		return known || !may(sib)
	})
	if len(files) == 0 {
		return false
	}
	l.glimpse = g
	s.mu.Lock()
	g.busy = true
	s.looking++
	s.mu.Unlock()
	traces := s.tracesOf(l, beside)
	s.commits.Go(func() { s.glimpse(ctx, l, g, files, traces) })
	return true
}

// tracesOf returns what is known of the generations that may have been compressed, and of what was in those that were
// truncated.
func (s *Source) tracesOf(l *lineage, beside siblingsByInode) []trace {
	s.mu.Lock()
	generations := slices.Clone(l.generations)
	s.mu.Unlock()
	var traces []trace
	for _, g := range generations {
		if s.isTruncated(g) {
			traces = append(traces, s.traceOf(g))
			continue
		}
		if _, found := beside.of(g.id); found {
			continue
		}
		if name, _ := s.find(g); name == "" {
			traces = append(traces, s.traceOf(g))
		}
	}
	return traces
}

func (s *Source) isTruncated(g *generation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return g.truncated
}

// traceOf returns the trace of a generation. What is in a truncated file is not what was read of it.
func (s *Source) traceOf(g *generation) trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := trace{position: g.position, head: g.head, tail: g.tail, end: math.MaxInt64, whole: g.past && g.proven && !g.deleted.IsZero()}
	switch {
	case g.past:
		t.end = g.goneLocked()
	case g.lineage != nil:
		t.end = g.lineage.endLocked(g)
	}
	if g.file != nil && (!g.truncated || g.position == 0) {
		t.file, _ = g.file.handle.(*os.File)
	}
	return t
}

// glimpse looks into the files, and has the lineage settled then. A file that bears another name by now is looked for anew.
func (s *Source) glimpse(ctx context.Context, l *lineage, g *glimpse, files []sibling, traces []trace) {
	found := make(map[content]bool, len(files))
	for _, sib := range files {
		unread, err := s.isUnread(ctx, sib, traces)
		switch {
		case ctx.Err() != nil:
			return
		case hasMoved(err):
			continue
		case err != nil:
			s.log.Error("compressed file can't be read, and is left out; it may hold lines that were never read",
				"path", l.path, "file", sib.path, "err", err)
		case unread:
			s.log.Info("file was rotated and compressed before anybody could read it; reading what is in it", "path", l.path, "file", sib.path)
		}
		found[sib.content()] = unread && err == nil
	}
	s.mu.Lock()
	maps.Copy(g.unread, found)
	g.busy = false
	s.glimpsed = append(s.glimpsed, l)
	s.kick()
	s.mu.Unlock()
}

// isUnread says whether a compressed file holds anything, and was made of none of those generations.
func (s *Source) isUnread(ctx context.Context, sib sibling, traces []trace) (bool, error) {
	f, err := s.openSibling(sib)
	if err != nil {
		return false, err
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	p := &packedFile{raw: f}
	if p.measure(); p.size == 0 {
		return false, nil
	}
	for _, t := range traces {
		if is, err := t.isIn(p); is || err != nil {
			return false, err
		}
	}
	return true, nil
}

// isIn says whether the file was made of the generation.
func (t trace) isIn(p *packedFile) (bool, error) {
	if t.file != nil { // what was written to it since it was compressed is there alone
		head, tail, err := probes(t.file, p.size)
		if err == nil {
			return verify(p, p.size, head, tail)
		}
	}
	switch {
	case t.head.size == 0: // it was not read, and nothing but its size is known
		return t.position == p.size, nil
	case p.size < t.position: // it was written to while it was compressed
		info, err := p.raw.Stat()
		if err != nil || info.ModTime().UnixNano() > t.end || p.size < int64(t.head.size) {
			return false, err
		}
		head, err := probeAt(p, 0, int64(t.head.size))
		return head == t.head, err
	case t.whole && p.size > t.position:
		return false, nil
	}
	return verify(p, t.position, t.head, t.tail)
}
