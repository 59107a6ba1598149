package tail

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher watches folders, never files, with one inotify instance. Its events are hints: whatever is missed, the poller
// and the scans find. A nil watcher is one that can't be had.
type watcher struct {
	fs      *fsnotify.Watcher
	watched map[string]inode
	failed  error // the last error of add that was not reported
}

func newWatcher() (*watcher, error) {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &watcher{fs: fs, watched: map[string]inode{}}, nil
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w == nil {
		return nil
	}
	return w.fs.Events
}

func (w *watcher) errors() <-chan error {
	if w == nil {
		return nil
	}
	return w.fs.Errors
}

func (w *watcher) close() {
	if w != nil {
		w.fs.Close()
	}
}

// add watches the folder if it isn't watched yet.
func (w *watcher) add(folder string) (added bool) {
	if w == nil {
		return false
	}
	w.check(folder)
	if _, ok := w.watched[folder]; ok {
		return false
	}
	st, err := statPath(folder)
	if err == nil {
		err = w.fs.Add(folder)
	}
	if err != nil {
		w.failed = err
		return false
	}
	w.watched[folder] = st.inode
	return true
}

// check forgets a folder that was removed or renamed. No event tells of a removal as long as a file that was deleted in
// the folder is open. It returns whether the folder was forgotten.
func (w *watcher) check(folder string) (gone bool) {
	if w == nil {
		return false
	}
	was, ok := w.watched[folder]
	if !ok {
		return false
	}
	if st, err := statPath(folder); err == nil && st.inode == was {
		return false
	}
	delete(w.watched, folder)
	w.fs.Remove(folder) // its error says that the kernel was faster
	return true
}

// keep ends the watches of all other folders.
func (w *watcher) keep(needed map[string]bool) {
	if w == nil {
		return
	}
	for folder := range w.watched {
		if !needed[folder] {
			delete(w.watched, folder)
			w.fs.Remove(folder) // its error says that the folder is gone
		}
	}
}

func (w *watcher) covers(folder string) bool {
	if w == nil {
		return false
	}
	_, ok := w.watched[folder]
	return ok
}

// startWatch makes the watcher, or says once that there is none.
func (s *Source) startWatch() {
	var err error
	if s.watch, err = s.cfg.watch(); err != nil {
		s.watch = nil
		s.log.Warn("cannot watch folders; files are polled instead, which finds new lines later", "err", err)
	}
}

func (s *Source) watchFailed(err error) {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		s.stats.overflows.Add(1)
		if s.quiet.may("overflow", time.Minute) {
			s.log.Warn("more file events than the kernel keeps; scanning instead")
		}
		s.scanSoon()
		return
	}
	if s.quiet.may("watch", time.Minute) {
		s.log.Warn("error of the folder watcher", "err", err)
	}
}

// reportWatch says that some folders are not watched, at most once an hour.
func (s *Source) reportWatch() {
	if s.watch == nil || s.watch.failed == nil {
		return
	}
	if s.quiet.may("watch add", time.Hour) {
		s.log.Warn("cannot watch some folders; their files are polled instead", "err", s.watch.failed)
	}
	s.watch.failed = nil
}

// handle acts on one event.
func (s *Source) handle(ctx context.Context, e fsnotify.Event) {
	switch {
	case e.Has(fsnotify.Create):
		s.created(ctx, e.Name)
	case e.Has(fsnotify.Remove), e.Has(fsnotify.Rename):
		s.removed(ctx, e.Name, e.Has(fsnotify.Rename))
	case e.Has(fsnotify.Write), e.Has(fsnotify.Chmod): // it may be readable now
		if g := s.byName[e.Name]; g != nil {
			s.written(g)
		}
	}
}

// gatherTime is how long lines may gather in a file beside a batch in flight, from one look at it to the next.
const gatherTime = 4 * time.Millisecond

// writes is what is known of events of files that are written to.
type writes struct {
	last *generation      // the last one that was enqueued for an event
	at   instant          // when
	rest <-chan time.Time // set while no events are taken
}

// written handles an event of a file that is at its path. A file that is written to line by line has an event for each;
// those tell nothing new that come while it was just looked at, and will be again when the batch in flight is committed.
// The kernel makes one of events that wait in a row and are the same, so none is taken for a while then.
func (s *Source) written(g *generation) {
	w, at := &s.writes, now()
	s.mu.Lock()
	gathers := g == w.last && at.Sub(w.at) < gatherTime && g.inflight && g.more
	s.mu.Unlock()
	if gathers {
		w.rest = time.After(gatherTime)
		return
	}
	w.last, w.at = g, at
	s.enqueue(g)
}

// watchEvents returns the channel of the watcher's events; nil while none are taken.
func (s *Source) watchEvents() <-chan fsnotify.Event {
	if s.writes.rest != nil {
		return nil
	}
	return s.watch.events()
}

// created handles a name that has appeared, or that leads to another file now.
func (s *Source) created(ctx context.Context, path string) {
	if l := s.lineages[path]; l != nil {
		s.lookSoon(l)
		return
	}
	st, err := s.cfg.stat(path)
	if err != nil {
		return
	}
	if !st.regular {
		s.scanSoon() // a folder, mostly
		return
	}
	if g := s.byName[path]; g != nil && g.lineage != nil && !st.identity.same(g.id) { // another file has taken the name
		s.settleSoon(g.lineage)
	}
	sec, known := sectionOf(s.sections, path), s.byInode[st.inode] != nil
	for _, l := range s.lineagesRotatedTo(path) {
		if sec == nil {
			s.lookSoon(l)
		} else if !known && !s.atHome(l) {
			s.settleSoon(l).newcomers[path] = true // it may be a generation of the lineage
			return
		}
	}
	if sec != nil {
		s.applyUnknown(ctx, []*match{{path: path, section: sec, stat: st}})
	}
}

// removed handles a name that is gone. There is no hurry to account for a deleted file; ten thousand of them are better
// seen together at the next poll.
func (s *Source) removed(ctx context.Context, path string, renamed bool) {
	if s.watch.check(path) || s.watch.check(filepath.Dir(path)) {
		s.scanSoon()
	}
	l, g := s.lineages[path], s.byName[path]
	switch {
	case !renamed && g != nil && g.lineage != nil:
		s.schedule(g, now())
	case l != nil:
		s.lookSoon(l)
	case g != nil && g.lineage != nil:
		if st, err := s.cfg.stat(path); err != nil || !st.identity.same(g.id) { // else it was settled since
			s.settleSoon(g.lineage)
		}
	}
}

// lineagesRotatedTo returns the lineages of which path may be a rotated name.
func (s *Source) lineagesRotatedTo(path string) []*lineage {
	var lineages []*lineage
	name := filepath.Base(path)
	if packed(name) {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	for _, base := range append(rotationBases(name), name) {
		if base == filepath.Base(path) {
			continue
		}
		if l := s.lineages[filepath.Join(filepath.Dir(path), base)]; l != nil {
			lineages = append(lineages, l)
		}
	}
	return lineages
}
