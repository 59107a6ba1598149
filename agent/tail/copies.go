package tail

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// A rotation by copytruncate copies a file to a rotated name, and then truncates it. What was written between the
// position and the end of the copy is then in the copy alone. So the conductor looks for the copy before it lets the
// file be read from its beginning; the copy takes over the file's place in the order, and the position. What was
// written between the end of the copy and the truncation is in no file any more.
//
// A copy has the right bytes before the position. One that was complete before the last of these were written is
// shorter, and is known by its beginning, and by its time: it was last written no later than the file was, but for
// writeTime. The copies that follow it are of what was written later, between truncations that nobody saw; they are read
// in full, also out of what they were compressed to (missed.go).
//
// A truncation of a file of which nothing was read yet leaves no trace in it. So the conductor looks for copies whenever
// such a file has changed, too. It may be copied and truncated again before it is read; so what it began with before the
// conductor looked is noted, and must still be there after its first bytes were read.

// writeTime is how long a write may take. A file gets the time of the beginning of a write; and a copy that ends in the
// middle of it, where a page is full, a later one.
const writeTime = time.Second

// beginning is what a file began with at some time.
type beginning struct {
	size       int64 // of the file; 0 if nothing is known
	head, tail probe // of that many bytes
}

// beginningOf returns what is in the file up to that size, if it can be read.
func beginningOf(f handle, size int64) beginning {
	head, tail, err := probes(f, size)
	if err != nil {
		return beginning{}
	}
	return beginning{size: size, head: head, tail: tail}
}

// cutShort has the conductor decide about a file that no longer holds what was read of it, or of which nothing was read;
// the caller holds it, and says what the file begins with if that matters.
func (s *Source) cutShort(g *generation, begins beginning) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutShortLocked(g, begins)
}

func (s *Source) cutShortLocked(g *generation, begins beginning) {
	g.checked, g.vetted = 0, false
	s.begins[g] = begins
	if begins.size == 0 || g.dead {
		delete(s.begins, g)
	}
	if g.lineage == nil {
		return // to be found again if a section covers it again
	}
	if g.inflight {
		g.more = true // to be found again when the spool has what was read
		return
	}
	g.truncated = true
	s.searchLocked(g)
}

// resolve finds out what became of the content of a file that was truncated or written anew, and has it read from its
// beginning after that.
func (s *Source) resolve(ctx context.Context, g *generation) {
	l := g.lineage
	looked := time.Now().UnixNano()
	at, siblings := s.collect(l)
	beside := byInode(siblings)
	if s.occupierOf(nil, siblings) != nil || s.lookingInside(ctx, l, at, siblings, beside) {
		s.postponed[l] = g
		return
	}
	if s.glimpsing(ctx, l, siblings, beside, func(sib sibling) bool { return s.mayBeMissedCopy(g, sib) }) {
		return // it is resolved when that is known
	}
	unknown := s.unknownOf(ctx, l, siblings)
	if g.dead {
		return // its inode was given to one of these
	}
	if at == nil || !at.identity.same(g.id) {
		s.mu.Lock()
		if g.away.IsZero() {
			g.away = now() // renamed a moment ago: the unknown files may be later ones
		}
		s.mu.Unlock()
		at = nil
	}
	if g.position == 0 {
		s.begin(ctx, g, at, unknown, looked)
		return
	}
	for _, sib := range unknown {
		if sib.packed() {
			continue
		}
		c, err := s.continuation(g, sib)
		if hasMoved(err) {
			s.again(g)
			return
		}
		if c != nil {
			s.restartBehind(ctx, g, c, unknown, looked)
			return
		}
	}
	if !s.lookInto(g, unknown) {
		s.restartBehind(ctx, g, nil, unknown, looked)
	}
}

// again has resolve look once more, because a file was renamed under its hands.
func (s *Source) again(g *generation) {
	s.mu.Lock()
	s.searchLocked(g)
	s.mu.Unlock()
}

// forgetCopies forgets the copies of what was in g.
func (s *Source) forgetCopies(g *generation) {
	maps.DeleteFunc(s.copies, func(_ identity, of *generation) bool { return of == g })
}

// openSibling opens a sibling; the error says with hasMoved if it bears another name by now.
func (s *Source) openSibling(sib sibling) (*os.File, error) {
	f, err := s.cfg.open(sib.path)
	if err != nil {
		return nil, err
	}
	st, err := s.cfg.fstat(f)
	if err == nil && !st.identity.same(sib.stat.identity) {
		err = errMoved
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func hasMoved(err error) bool { return errors.Is(err, errMoved) || errors.Is(err, fs.ErrNotExist) }

// begin decides about a file of which nothing was read: whether there are copies of what was in it before.
func (s *Source) begin(ctx context.Context, g *generation, at *fileStat, unknown []sibling, looked int64) {
	missed, err := s.later(g, unknown, inode{})
	if hasMoved(err) {
		s.again(g)
		return
	}
	if len(missed) > 0 || at != nil && at.size < g.grown {
		s.restart(ctx, g, nil, missed, looked)
		return
	}
	g.lineage.glimpse = nil
	if at != nil {
		g.lineage.accounted = looked
	}
	s.mu.Lock()
	g.truncated, g.vetted = false, true
	if at != nil {
		g.begun = telling(at.mtime)
	}
	s.mu.Unlock()
	s.enqueue(g)
}

// later returns those of the siblings, oldest first, that hold what was in g later than what was read: those behind the
// copy that has that inode, if they were last written no earlier than what was read, and if g is at its path still. Of
// compressed ones it returns only those of which a glimpse has found that they hold what nobody has read; and of those that
// were made in this run none as long as one may be the copy that was not found, without the last lines that were read. A file
// that may just as well be independent is not among them, nor is a copy of what is in g now: g will be truncated next, or has
// all these lines. The error says with hasMoved that there was a rename meanwhile.
func (s *Source) later(g *generation, siblings []sibling, behind inode) (later []sibling, err error) {
	i := slices.IndexFunc(siblings, func(sib sibling) bool { return sib.stat.inode == behind })
	found := i >= 0 || g.position == 0
	for _, sib := range siblings[i+1:] {
		if !s.follows(g, sib) && !(found && s.isMissedCopy(g, sib)) {
			continue
		}
		same, _, err := s.compare(g, sib, sib.stat.size)
		if hasMoved(err) {
			return nil, err
		}
		if !same {
			later = append(later, sib)
		}
	}
	return later, nil
}

// follows says whether sib, which nobody has seen, may hold what was in g later than what was read.
func (s *Source) follows(g *generation, sib sibling) bool {
	return s.writtenLater(g, sib) && (!sib.packed() || s.madeBefore(sib.stat) && s.isNews(g.lineage, sib))
}

// writtenLater says whether what is in sib may have been written to g since what was read of that.
func (s *Source) writtenLater(g *generation, sib sibling) bool {
	s.mu.Lock()
	home, written := g == g.lineage.current && g.away.IsZero(), g.mtime
	s.mu.Unlock()
	if !home {
		return false // settle finds it
	}
	if sib.packed() { // one of those that are forgotten, if it is older
		return !s.independent(sib) && !writtenBefore(sib, written)
	}
	if time.Now().UnixNano() < written {
		written = 0 // the clock was set back
	}
	return !s.independent(sib) && sib.stat.mtime >= written
}

// continuation returns the generation that sib would be as the copy of what g has lost, nil if it is no copy of that.
func (s *Source) continuation(g *generation, sib sibling) (*generation, error) {
	f, err := s.openSibling(sib)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := s.successor(g, sib)
	if sib.stat.size >= g.position {
		if ok, err := verify(f, g.position, g.head, g.tail); !ok || err != nil {
			return nil, err
		}
		return c, nil
	}
	if s.copies[sib.stat.identity] != g { // else it was compared with the file while that was whole
		begins, err := probeAt(f, 0, int64(g.head.size))
		if err != nil || begins != g.head || sib.stat.mtime > g.mtime+int64(writeTime) {
			return nil, err
		}
	}
	if c.head, c.tail, err = probes(f, sib.stat.size); err != nil {
		return nil, err
	}
	c.position, c.committed, c.seen = sib.stat.size, sib.stat.size, sib.stat.size
	return c, nil
}

// isCut says whether a file that is not at its path any more was truncated. It notes its name if it is one of the siblings.
func (s *Source) isCut(g *generation, beside siblingsByInode) bool {
	sib, found := beside.of(g.id)
	s.mu.Lock()
	position, alive := g.position, g.ordinal > 0 && !g.dead && !g.givenUp
	unchanged := g.checked != 0 && sib.stat.mtime == g.checked && sib.stat.size == g.seen // since it was last looked into
	s.mu.Unlock()
	switch {
	case !alive:
		return false
	case !found || sib.packed():
		st, ok := s.statNow(g)
		return ok && st.size < position
	}
	s.rename(g, sib.path)
	if unchanged {
		return false
	}
	_, whole, _ := s.compare(g, sib, 0)
	return !whole
}

// waitingForCut says whether a generation other than the one at the path was truncated, and it is not known yet whether
// its content is in one of the files that nobody has seen.
func (s *Source) waitingForCut(ctx context.Context, l *lineage, siblings []sibling, beside siblingsByInode, home *generation) bool {
	if len(s.unknownOf(ctx, l, siblings)) == 0 {
		return false
	}
	s.mu.Lock()
	generations := slices.Clone(l.generations)
	s.mu.Unlock()
	waiting := false
	for _, g := range generations {
		if g != home && s.isCut(g, beside) {
			s.foundCut(l, g)
			waiting = true
		}
	}
	return waiting
}

// foundCut is cutShort for the conductor. It does not wait until the file can be read: what must be read before it may be waiting
// for its path. If a worker has the file in hand, or the spool what was read of it, it is to be found again.
func (s *Source) foundCut(l *lineage, g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case g.truncated:
	case g.state == held, g.inflight:
		s.postponed[l] = g
	default:
		if g.dormant {
			s.wakeLocked(g) // newer ones wait for it from now on
		}
		s.cutShortLocked(g, beginning{})
	}
}
