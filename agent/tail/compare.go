package tail

import (
	"path/filepath"
	"strings"
)

// isCopy says whether a new file with a rotated name holds nothing but the beginning of the file that bears the name
// without the rotation, or may, and somebody is about to decide that. Such a file is not read: either the file that it was
// copied from will be truncated, and resolve decides, or it has all these lines. The copy lasts if that may never happen.
func (s *Source) isCopy(path string, st fileStat) (copied, lasts bool) {
	for _, l := range s.lineagesRotatedTo(path) {
		suffix, _ := rotationSuffix(filepath.Base(l.path), filepath.Base(path))
		if counted(suffix, path) || s.nearerThan(l, path) {
			continue
		}
		s.mu.Lock()
		g := l.current
		usable := g != nil && !g.dead && g.away.IsZero() && g.name != ""
		truncated, unread := usable && g.truncated, usable && g.position == 0
		s.mu.Unlock()
		if !usable {
			continue
		}
		if truncated {
			return true, false // resolve decides
		}
		sib := sibling{path: path, suffix: suffix, stat: st}
		switch same, whole, err := s.compare(g, sib, st.size); {
		case hasMoved(err):
			return true, false // the next scan decides
		case !whole:
			s.enqueue(g) // it is being truncated, and whoever reads it will see
			return true, false
		case same && st.size == 0:
			return true, true // nothing to read, and nothing to tell
		case same:
			s.copies[st.identity] = g
			return true, true
		case unread && s.follows(g, sib):
			s.mu.Lock()
			g.begun, g.vetted = 0, false
			s.mu.Unlock()
			s.enqueue(g)
			return true, false // begin decides
		}
	}
	return false, false
}

// independent says whether a sibling may just as well be a file of its own, and will be read as one.
func (s *Source) independent(sib sibling) bool {
	return counted(sib.suffix, sib.path) && sectionOf(s.sections, sib.path) != nil
}

// counted says whether the rotated name is one that independent files bear too: worker-1.log beside worker.log.
func counted(suffix, path string) bool {
	if suffix == "" || strings.HasSuffix(path, suffix) {
		return false
	}
	_, number := rotationNumber(suffix)
	return number
}

// compare says whether the first size bytes of g and of sib are the same, as far as probes tell, and whether the file of g
// still holds what was read of it.
func (s *Source) compare(g *generation, sib sibling, size int64) (same, whole bool, err error) {
	s.mu.Lock()
	position, head, tail, name := g.position, g.head, g.tail, g.name
	s.mu.Unlock()
	original, err := s.openSibling(sibling{path: name, stat: fileStat{identity: g.id}})
	if err != nil {
		return false, true, err
	}
	defer original.Close()
	copied, err := s.openSibling(sib)
	if err != nil {
		return false, true, err
	}
	defer copied.Close()
	same = true
	for _, at := range []int64{0, size/2 - headSize/2, size - headSize} {
		at = max(0, at)
		n := min(size-at, headSize)
		a, aerr := probeAt(original, at, n)
		b, berr := probeAt(copied, at, n)
		same = same && aerr == nil && berr == nil && a == b
	}
	// Last, so that what was compared was there all the time.
	whole, err = verify(original, position, head, tail)
	return same, whole || err != nil, err
}
