package tail

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// handle is what is read of a file: the file, or what is packed in it. ReadAt is the holder's alone.
type handle interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// descriptor is the open file of a generation.
type descriptor struct {
	handle
	generation *generation
	lru        *list.Element // in Source.opened
}

var errMoved = errors.New("another file is at this name")

// descriptor returns the open file of a generation that the caller holds, and opens it by its name if need be. An error
// that wraps fs.ErrNotExist or errMoved says that the generation must be looked for.
func (s *Source) descriptor(ctx context.Context, g *generation) (handle, error) {
	s.mu.Lock()
	if g.file != nil {
		defer s.mu.Unlock()
		s.opened.MoveToFront(g.file.lru)
		s.foundLocked(g) // who could not take its size may have missed that it was opened
		return g.file.handle, nil
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
	h, err := s.adopt(ctx, g, f, name)
	if err != nil {
		f.Close()
		return nil, err
	}
	return h, nil
}

// adopt checks that f is the generation's file and makes it its descriptor.
func (s *Source) adopt(ctx context.Context, g *generation, f *os.File, name string) (handle, error) {
	st, err := s.cfg.fstat(f)
	if err != nil {
		return nil, err
	}
	if !st.regular || !st.identity.same(g.id) {
		return nil, fmt.Errorf("%s: %w", name, errMoved)
	}
	var h handle = f
	if packed(name) {
		if h, err = s.unpack(ctx, g, f); err != nil {
			return nil, err
		}
	}
	ok, err := verify(h, g.position, g.head, g.tail)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errTruncated
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.file, g.linked = &descriptor{handle: h, generation: g}, st.links > 0
	g.file.lru = s.opened.PushFront(g.file)
	s.foundLocked(g)
	return h, nil
}

// dropLocked takes the descriptor from a generation that nobody else holds; the caller closes it without the mutex.
func (s *Source) dropLocked(g *generation) handle {
	f := g.file
	if f == nil {
		return nil
	}
	g.file = nil
	s.opened.Remove(f.lru)
	return f.handle
}

// maxTries bounds how many files closeSurplus looks at, for it is called often.
const maxTries = 128

// closeSurplus closes the descriptors above the limit of those files that have been idle longest. A file without a name
// keeps its descriptor until its grace period is over: it could not be opened again.
func (s *Source) closeSurplus() {
	var files []handle
	s.mu.Lock()
	surplus := s.opened.Len() - s.cfg.MaxOpen
	for e, tries := s.opened.Back(), maxTries; e != nil && surplus > 0 && tries > 0; tries-- {
		g := e.Value.(*descriptor).generation
		e = e.Prev()
		if g.quietLocked() && g.name != "" && g.linked && !g.closing {
			files = append(files, s.dropLocked(g))
			surplus--
		} else {
			s.opened.MoveToFront(g.file.lru) // or it would be tried every time
		}
	}
	s.mu.Unlock()
	for _, f := range files {
		f.Close()
	}
}
