package tail

import (
	"time"

	"github.com/logscribe/logscribe/spool"
)

// A clean stop is the last chance for the lines of deleted files, which are gone with their descriptors, and for new files to
// become known to the spool. It does not wait for either for long, and says what is lost.

// lastChance is how long a clean stop waits for the lines of deleted files, and for the first checkpoints of new ones.
const lastChance = 500 * time.Millisecond

// farewell gives deleted files their last chance, and those that were just found: who is rotated away before the next start
// must be known by then. The lines of deleted files that can't be delivered in time are lost when the descriptors close. Their
// checkpoints stay: what a file was compressed to since the last scan would be taken for an unread one without.
func (s *Source) farewell() (left []*generation) {
	s.mu.Lock()
	s.leaving = true
	s.mu.Unlock()
	limit := time.After(lastChance)
	for left = s.deletedUnread(); len(left) > 0 || s.registering(); left = s.deletedUnread() {
		s.mu.Lock()
		for _, g := range left {
			g.linked, g.closing = false, true
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
	stored := func(g *generation) int64 { // what was on its way may have been stored
		c, _ := s.storedCheckpoint(g)
		return max(g.committed, c.position)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range left {
		s.mournLocked(g, spool.Stopped, stored(g))
	}
	for _, g := range s.byInode {
		if lost := g.position - stored(g); g.givenUp && !g.dead && lost > 0 {
			s.loseLocked(g, spool.Stopped, lost, 0)
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

// registering says whether something that was found, or has ended, is not stored yet.
func (s *Source) registering() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.registrations) > 0
}

// sayUnknown tells what a stop leaves out of the spool.
func (s *Source) sayUnknown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := 0
	for _, r := range s.registrations {
		for _, g := range r.found {
			if g.ordinal > 0 && !g.stored {
				files++
			}
		}
	}
	if files > 0 {
		s.log.Warn("the spool did not store in time that files were found; "+
			"those that are rotated away before the next start may be taken for old ones, and not be read", "files", files)
	}
}
