package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

var errMoved = errors.New("another file is at this name")

// descriptor returns the open file of a generation that the caller holds, and opens it by its name if need be. An error
// that wraps fs.ErrNotExist or errMoved says that the generation must be looked for.
func (s *Source) descriptor(g *generation) (*os.File, error) {
	s.mu.Lock()
	if g.file != nil {
		defer s.mu.Unlock()
		s.opened.MoveToFront(g.lru)
		return g.file, nil
	}
	name := g.name
	s.mu.Unlock()
	if name == "" {
		return nil, fs.ErrNotExist
	}
	f, err := s.cfg.open(name)
	if err != nil {
		return nil, err
	}
	if err := s.adopt(g, f, name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// adopt checks that f is the generation's file and makes it its descriptor.
func (s *Source) adopt(g *generation, f *os.File, name string) error {
	st, err := s.cfg.fstat(f)
	if err != nil {
		return err
	}
	if !st.regular || !st.identity.same(g.id) {
		return fmt.Errorf("%s: %w", name, errMoved)
	}
	ok, err := verify(f, g.position, g.head, g.tail)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.file, g.links = f, st.links
	g.lru = s.opened.PushFront(g)
	s.foundLocked(g)
	if !ok {
		s.restartLocked(g, st.size)
	}
	return nil
}

// dropLocked takes the descriptor from a generation that nobody else holds; the caller closes it without the mutex.
func (s *Source) dropLocked(g *generation) *os.File {
	f := g.file
	if f != nil {
		g.file = nil
		s.opened.Remove(g.lru)
		g.lru = nil
	}
	return f
}

// maxTries bounds how many files closeSurplus looks at, for it is called often.
const maxTries = 128

// closeSurplus closes the descriptors above the limit of those files that have been idle longest. A file without a name
// keeps its descriptor until its grace period is over: it could not be opened again.
func (s *Source) closeSurplus() {
	var files []*os.File
	s.mu.Lock()
	surplus := s.opened.Len() - s.cfg.MaxOpen
	for e, tries := s.opened.Back(), maxTries; e != nil && surplus > 0 && tries > 0; tries-- {
		g := e.Value.(*generation)
		e = e.Prev()
		if g.quietLocked() && g.name != "" && g.links > 0 && !g.closing {
			files = append(files, s.dropLocked(g))
			surplus--
		} else {
			s.opened.MoveToFront(g.lru) // or it would be tried every time
		}
	}
	s.mu.Unlock()
	for _, f := range files {
		f.Close()
	}
}
