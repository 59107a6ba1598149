package tail

import (
	"container/heap"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// sweep forgets the files that have been gone for long, so that checkpoints don't pile up. It is part of a scan, so that
// each generation is looked at rarely.
func (s *Source) sweep(ctx context.Context) {
	now := now()
	s.mu.Lock()
	saw := s.saw.at
	s.mu.Unlock()
	s.sweepUncovered(ctx)
	beside := map[string]siblingsByInode{} // by path; of one path there may be thousands of generations
	for _, g := range s.byInode {
		s.closeUncovered(g)
		s.mu.Lock()
		asleep := (g.dormant || g.lineage == nil) && !g.dead && g.file == nil && g.dueIndex < 0 && g.quietLocked()
		s.mu.Unlock()
		if !asleep || now.Before(g.due) {
			continue
		}
		g.due = now.Add(max(s.cfg.ForgetAfter/4, s.cfg.ScanInterval)) // it is not in the poller's heap
		missing := s.missing[g]
		switch {
		case s.stillThere(g, beside):
		case missing.IsZero():
			s.missing[g] = now
		case now.Sub(missing) >= s.cfg.ForgetAfter && missing.Before(instantOf(saw)) && mounted(g):
			s.forget(ctx, g)
		}
	}
}

// sweepUncovered forgets the orphans of paths that no section covers when they are old.
func (s *Source) sweepUncovered(ctx context.Context) {
	old := time.Now().Add(-s.cfg.ForgetAfter).UnixNano()
	s.uncovered = slices.DeleteFunc(s.uncovered, func(g *generation) bool {
		if g.mtime > old {
			return false
		}
		s.drop(g)
		s.erase(ctx, g)
		return true
	})
}

// stillThere looks for a sleeping generation under all names that it may have. It keeps what it finds beside a path.
func (s *Source) stillThere(g *generation, beside map[string]siblingsByInode) bool {
	if s.search(g) {
		return true
	}
	if beside[g.path] == nil {
		beside[g.path] = byInode(s.siblingsOf(g.path, time.Second))
	}
	sib, found := beside[g.path].of(g.id)
	if found {
		s.named(g, sib.path, sib.stat)
	}
	return found
}

// mounted says whether the file system of a missing file is there: if not, neither is the file, and yet it may return.
func mounted(g *generation) bool {
	for folder := filepath.Dir(g.path); ; folder = filepath.Dir(folder) {
		st, err := statPath(folder)
		if err == nil {
			return st.dev == g.id.dev
		}
		if !os.IsNotExist(err) || folder == filepath.Dir(folder) {
			return false
		}
	}
}

// forget removes a generation and its checkpoint, and counts what was not read of it.
func (s *Source) forget(ctx context.Context, g *generation) {
	s.mu.Lock()
	s.unreadLocked(g)
	g.linked, g.closing = false, true
	s.mu.Unlock()
	s.letGo(ctx, g)
}

// drop removes a generation that is no more from all that the conductor knows. Its checkpoint is gone, or is about to be
// replaced by that of a file with the same inode.
func (s *Source) drop(g *generation) {
	s.dropped = true
	if s.byInode[g.id.inode] == g {
		delete(s.byInode, g.id.inode)
	}
	for _, name := range []string{g.name, s.aliases[g]} {
		if s.byName[name] == g {
			delete(s.byName, name)
		}
	}
	delete(s.aliases, g)
	delete(s.missing, g)
	s.forgetCopies(g)
	if g.dueIndex >= 0 {
		heap.Remove(&s.polls, int(g.dueIndex))
	}
	l := g.lineage
	s.mu.Lock()
	delete(s.failures, g)
	delete(s.begins, g)
	s.unaskLocked(g)
	g.dead, g.lineage = true, nil // who still holds it must not settle a lineage that may have ended
	s.releaseLocked(g, func(*waiter) bool { return true })
	if l != nil {
		l.generations = slices.DeleteFunc(l.generations, func(o *generation) bool { return o == g })
	}
	s.mu.Unlock()
}
