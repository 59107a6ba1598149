package tail

import (
	"context"
	"path/filepath"

	"github.com/logscribe/logscribe/spool"
)

// identify returns the known generation that is the file of st at path, or nil if the file is new. As long as the file's
// inode is occupied it returns the occupier; so whoever decides about the file waits for the end of that first.
func (s *Source) identify(ctx context.Context, path string, st fileStat) *generation {
	g := s.byInode[st.inode]
	if g == nil {
		return s.renumbered(ctx, path, st)
	}
	s.mu.Lock()
	dead := g.dead
	ended := g.past && g.file == nil && !g.inflight
	// Its inode can't have been given to another file; or it is to be read, and may yet have to be opened.
	pinned := g.file != nil || g.occupiesLocked() || g.state != idle && g.inside == nil && g.id.same(st.identity)
	known := path == g.name || path == g.path
	s.mu.Unlock()
	switch {
	case dead:
	case ended: // a moment ago
		s.retire(ctx, g)
		return nil
	case pinned:
		return g
	case !g.id.same(st.identity):
	case g.id.born != 0 && st.born != 0, known, s.sameContent(g, path, st):
		return g
	}
	s.mu.Lock()
	dead, keep := g.dead, g.lineage != nil && g.ordinal > 0
	s.mu.Unlock()
	if keep && !dead {
		s.orphan(ctx, g)
	} else {
		s.bury(ctx, g)
	}
	return nil
}

// occupier returns the closed generation that had the inode of this other, newer file, if something of it is still on the
// way to the spool: its checkpoint would take the place of that of the file. Until that has come to an end nobody may say
// what the file is.
func (s *Source) occupier(st fileStat) *generation {
	g := s.byInode[st.inode]
	if g == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.id.same(st.identity) || !g.occupiesLocked() {
		return nil
	}
	return g
}

// occupiesLocked says whether a closed generation keeps its inode from another file. The worker that holds one which was
// given up may have a batch of it in hand.
func (g *generation) occupiesLocked() bool {
	return !g.dead && g.file == nil && (g.inflight || g.givenUp && g.state == held)
}

// occupierOf returns one of those of what is at a path, nil if nothing is, and of the siblings.
func (s *Source) occupierOf(at *fileStat, siblings []sibling) *generation {
	if at != nil {
		if g := s.occupier(*at); g != nil {
			return g
		}
	}
	for _, sib := range siblings {
		if g := s.occupier(sib.stat); g != nil {
			return g
		}
	}
	return nil
}

// postpone has a lineage settled when that generation occupies no inode any more.
func (s *Source) postpone(l *lineage, occupier *generation) {
	s.mu.Lock()
	l.waiting = true
	s.mu.Unlock()
	s.postponed[l] = occupier
}

// settlePostponed has those lineages settled whose time has come. A file without a lineage a scan finds again.
func (s *Source) settlePostponed() {
	for l, g := range s.postponed {
		s.mu.Lock()
		occupied := g.occupiesLocked()
		s.mu.Unlock()
		if occupied {
			continue
		}
		delete(s.postponed, l)
		if l == nil {
			s.scanSoon()
		} else if s.lineages[l.path] == l {
			s.settleSoon(l)
		}
	}
}

// bury drops a generation whose file is no more, with what was not read of it.
func (s *Source) bury(ctx context.Context, g *generation) {
	s.mu.Lock()
	s.unreadLocked(g)
	s.mu.Unlock()
	s.drop(g)
	s.erase(ctx, g)
}

// erase removes the checkpoint of a generation that was dropped, unless its key is that of another one already.
func (s *Source) erase(ctx context.Context, g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := registration{losses: s.payLocked(g)}
	if g.orphaned || s.byInode[g.id.inode] == nil {
		r.more = []spool.Checkpoint{{Key: g.key()}}
	}
	if len(r.more)+len(r.losses) > 0 {
		s.registerLocked(ctx, r)
	}
}

// sameContent tells a renamed file from a new one that got a deleted one's inode, where the file system has no times of
// birth. A file of which nothing was read yet can only be told by a rotated name.
func (s *Source) sameContent(g *generation, path string, st fileStat) bool {
	if packed(path) {
		return packed(g.name)
	}
	if g.head.size == 0 {
		_, ok := rotationSuffix(filepath.Base(g.path), filepath.Base(path))
		return ok && st.size >= g.position
	}
	if st.size < g.position {
		return false
	}
	f, err := s.cfg.open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	ok, err := verify(f, g.position, g.head, g.tail)
	return ok && err == nil
}

// renumbered finds a generation whose device got another number since the checkpoint was written, as devices do when a
// host starts anew.
func (s *Source) renumbered(ctx context.Context, path string, st fileStat) *generation {
	for device := range s.devices {
		g := s.byInode[inode{dev: device, ino: st.ino}]
		if g == nil || g.id.born != st.born {
			continue
		}
		s.mu.Lock()
		unseen := g.name == "" && g.file == nil && !g.dead
		s.mu.Unlock()
		if !unseen {
			continue
		}
		_, rotated := rotationSuffix(filepath.Base(g.path), filepath.Base(path))
		if path != g.path && !rotated || g.head.size == 0 && g.id.born == 0 || !s.sameContent(g, path, st) {
			continue
		}
		s.rekey(ctx, g, st.identity)
		return g
	}
	return nil
}

// rekey gives a generation that nobody has read in this run the identity that its file has now.
func (s *Source) rekey(ctx context.Context, g *generation, id identity) {
	old := checkpointKey(g.id.inode)
	delete(s.byInode, g.id.inode)
	g.id = id
	s.byInode[id.inode] = g
	s.register(ctx, []*generation{g}, spool.Checkpoint{Key: old})
}
