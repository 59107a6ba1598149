package tail

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/logscribe/logscribe/spool"
)

// identify returns the known generation that is the file of st at path, or nil if the file is new.
func (s *Source) identify(ctx context.Context, path string, st fileStat) *generation {
	g := s.byInode[st.inode]
	if g == nil {
		return s.renumbered(ctx, path, st)
	}
	s.mu.Lock()
	dead := g.dead
	// Its inode can't have been given to another file. One that is to be read may yet have to be opened.
	pinned := g.file != nil || g.inflight || g.state != idle && g.inside == nil && g.id.same(st.identity)
	known := path == g.name || path == g.path
	s.mu.Unlock()
	switch {
	case dead:
	case pinned:
		return g
	case !g.id.same(st.identity):
	case g.id.born != 0 && st.born != 0, known, s.sameContent(g, path, st):
		return g
	}
	if s.mayBePacked(g) {
		s.orphan(ctx, g)
	} else {
		s.drop(g)
		s.erase(ctx, g)
	}
	return nil
}

// unclear says whether a file at a path or beside it can't be told yet from one that is no more: it has the inode
// of a generation that has a checkpoint on its way to the spool, under the key that the file's own would have.
func (s *Source) unclear(at *fileStat, siblings []sibling) bool {
	if at != nil && s.onItsWay(*at) {
		return true
	}
	return slices.ContainsFunc(siblings, func(sib sibling) bool { return s.onItsWay(sib.stat) })
}

func (s *Source) onItsWay(st fileStat) bool {
	g := s.byInode[st.inode]
	if g == nil || g.id.same(st.identity) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return g.inflight && !g.dead
}

// erase removes the checkpoint of a generation that was dropped, unless its key is that of another one already.
func (s *Source) erase(ctx context.Context, g *generation) {
	switch {
	case g.orphaned:
		s.register(ctx, nil, spool.Checkpoint{Key: orphanKey(g.id)})
	case s.byInode[g.id.inode] == nil:
		s.register(ctx, nil, spool.Checkpoint{Key: checkpointKey(g.id.inode)})
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
