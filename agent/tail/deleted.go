package tail

import (
	"bytes"
	"context"
	"io"
	"time"
)

// A deleted file exists for as long as its descriptor is open, and so does the space that it takes. So it is let go at
// its end, or when the operator's limit is over; and a clean stop is the last chance for its lines.

// lastChance is how long a clean stop waits for the lines of deleted files, and for the first checkpoints of new ones.
const lastChance = 500 * time.Millisecond

// giveUpLocked finds out whether a deleted file with unread lines has had its time. It is closed then, and ends when nothing
// of it is on the way to the spool any more. The caller closes what is returned.
func (s *Source) giveUpLocked(g *generation, size int64, now instant) handle {
	limit := time.Duration(0)
	if g.lineage != nil {
		limit = g.lineage.section.closeDeletedAfter
	}
	if limit == 0 || g.deleted.IsZero() || now.Sub(g.deleted) < limit || g.settledLocked() >= size {
		return nil
	}
	g.givenUp, g.grown = true, size
	if g.state != held {
		s.mournLocked(g, lostDeleted, g.position)
	}
	return s.dropLocked(g)
}

// mournLocked counts what is lost of a deleted file from there on.
func (s *Source) mournLocked(g *generation, reason string, from int64) {
	if g.mourned || g.grown <= from {
		return
	}
	g.mourned = true
	s.stats.givenUp.Add(1)
	s.loseLocked(g, reason, g.grown-from, countLines(g.file, from, g.grown))
}

// countLines counts the newlines between two offsets, if it is not much.
func countLines(f *descriptor, from, to int64) int64 {
	if f == nil || to-from > 1<<20 {
		return 0
	}
	buf := make([]byte, to-from)
	n, err := f.ReadAt(buf, from)
	if err != nil && err != io.EOF {
		return 0
	}
	return int64(bytes.Count(buf[:n], []byte{'\n'}))
}

// endGivenUp ends a generation that was given up once nobody works on it.
func (s *Source) endGivenUp(ctx context.Context, g *generation) {
	s.mu.Lock()
	busy := g.state != idle || g.inflight
	if g.state != held {
		s.mournLocked(g, lostDeleted, g.position)
	}
	s.mu.Unlock()
	if !busy {
		s.letGo(ctx, g)
	}
}

// farewell gives deleted files their last chance, and those that were just found: who is rotated away before the next start
// must be known by then. The lines of deleted files that can't be delivered in time are lost when the descriptors close.
func (s *Source) farewell() (left []*generation) {
	limit := time.After(lastChance)
	for left = s.deletedUnread(); len(left) > 0 || s.registering(); left = s.deletedUnread() {
		s.mu.Lock()
		for _, g := range left {
			g.links, g.closing = 0, true
			if g.state == idle {
				s.enqueueLocked(g)
			}
		}
		s.mu.Unlock()
		select {
		case <-limit:
			s.sayUnknown()
			return left
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// mournAll counts what a stop has lost: of the deleted files that are left, and of those that were given up with lines on
// their way to the spool. Nothing else runs any more.
func (s *Source) mournAll(left []*generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range left {
		s.mournLocked(g, lostStopped, g.committed)
	}
	for _, g := range s.byInode {
		if lost := g.position - g.committed; g.givenUp && !g.dead && lost > 0 {
			s.loseLocked(g, lostStopped, lost, 0)
		}
	}
}

// deletedUnread returns the open files without a name of which not everything is in the spool.
func (s *Source) deletedUnread() []*generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []*generation
	for e := s.opened.Front(); e != nil; e = e.Next() {
		g := e.Value.(*descriptor).generation
		info, err := g.file.Stat()
		if err != nil {
			continue
		}
		if st := statOf(info); st.links == 0 && g.committed < st.size {
			g.grown = st.size
			left = append(left, g)
		}
	}
	return left
}
