package tail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// scanned returns a source that nobody runs, after its first scan, and the number of its looks at names since.
func (f *fixture) scanned() (s *Source, looks *atomic.Int64) {
	f.t.Helper()
	looks = new(atomic.Int64)
	f.cfg.stat = func(path string) (fileStat, error) {
		looks.Add(1)
		return statPath(path)
	}
	s, err := New(f.cfg)
	f.check(err)
	s.scan(context.Background())
	s.commits.Wait()
	looks.Store(0)
	return s, looks
}

// numbered makes a file with n rotated ones.
func (f *fixture) numbered(n int) {
	f.t.Helper()
	f.write("app.log", "new\n")
	for i := range n {
		f.write(fmt.Sprintf("app.log.%d", i+1), fmt.Sprintf("old %d\n", i))
	}
}

// shift rotates once, and tells the event of each step if anybody wants to hear them.
func (f *fixture) shift(n int, hear ...func(fsnotify.Event)) {
	f.t.Helper()
	tell := func(name string, op fsnotify.Op) {
		for _, h := range hear {
			h(fsnotify.Event{Name: f.path(name), Op: op})
		}
	}
	for i := n; i >= 0; i-- {
		from, to := fmt.Sprintf("app.log.%d", i), fmt.Sprintf("app.log.%d", i+1)
		if i == 0 {
			from = "app.log"
		}
		f.rename(from, to)
		tell(from, fsnotify.Rename)
		tell(to, fsnotify.Create)
	}
	f.write("app.log", "newer\n")
	tell("app.log", fsnotify.Create)
}

// TestRotationCostsOneLookAtTheFolder shifts many rotated files by one: the event of each costs a few looks, however many
// of them there are, and all events together one errand, which finds each file under its new name.
func TestRotationCostsOneLookAtTheFolder(t *testing.T) {
	const n = 60
	for _, glob := range []string{"app.log", "app.log*"} {
		t.Run(glob, func(t *testing.T) {
			f := newFixture(t, glob)
			f.cfg.Sections[0].Log = "app"
			f.numbered(0)
			s, looks := f.scanned()
			for i := range n {
				f.shift(i)
				s.settle(t.Context(), s.lineages[f.path("app.log")])
			}
			s.commits.Wait()
			looks.Store(0)
			byName := map[string]*generation{}
			for name, g := range s.byName {
				byName[name] = g
			}
			events := 0
			f.shift(n, func(e fsnotify.Event) {
				events++
				s.handle(t.Context(), e)
			})
			if got, limit := looks.Load(), int64(5*events); got > limit {
				t.Errorf("%d events cost %d looks, more than %d", events, got, limit)
			}
			if len(s.errands.queue) != 1 {
				t.Fatalf("%d errands, want one", len(s.errands.queue))
			}
			s.runErrand(t.Context())
			s.commits.Wait()
			for i := range n + 1 {
				was := f.path(fmt.Sprintf("app.log.%d", i))
				if i == 0 {
					was = f.path("app.log")
				}
				if is := f.path(fmt.Sprintf("app.log.%d", i+1)); s.byName[is] != byName[was] || byName[was] == nil {
					t.Fatalf("%s is not known as what was %s", is, was)
				}
			}
			if len(s.errands.queue) != 0 {
				t.Errorf("%d errands are left", len(s.errands.queue))
			}
		})
	}
}

// TestSweepLooksOnceBesideAPath renames many files that sleep, without a word to the source.
func TestSweepLooksOnceBesideAPath(t *testing.T) {
	const n = 200
	f := newFixture(t, "app.log")
	f.numbered(n)
	s, looks := f.scanned()
	f.shift(n)
	for _, g := range s.byInode {
		g.due = 0
	}
	looks.Store(0)
	s.sweep(t.Context())
	s.commits.Wait()
	if got := looks.Load(); got > 6*n {
		t.Errorf("%d looks for %d files", got, n)
	}
	for i := range n {
		if name := f.path(fmt.Sprintf("app.log.%d", i+2)); s.byName[name] == nil {
			t.Fatalf("%s was not found", name)
		}
	}
}

// TestSettleOpensOnlyFilesThatChanged has a file appear beside many rotated ones, any of which it might be a copy of if
// that was truncated.
func TestSettleOpensOnlyFilesThatChanged(t *testing.T) {
	const n = 30
	f := newFixture(t, "app.log")
	f.numbered(0)
	s, _ := f.scanned()
	l := s.lineages[f.path("app.log")]
	for i := range n {
		f.shift(i)
		s.settle(t.Context(), l)
	}
	s.commits.Wait()
	for _, g := range l.generations { // as if a worker had looked into each
		st, err := statPath(g.name)
		f.check(err)
		g.seen, g.checked = st.size, st.mtime
	}
	opened := map[string]int{}
	s.cfg.open = func(path string) (*os.File, error) {
		opened[path]++
		return openFile(path)
	}
	f.write("app.log.4", "late\n")
	f.write("app.log.0", "unknown\n")
	s.settle(t.Context(), l)
	s.commits.Wait()
	if len(opened) > 2 || opened[f.path("app.log.4")] == 0 {
		t.Errorf("opened %v", opened)
	}
}

// TestErrandsRest has an errand take some time: the next one waits for a multiple of that, and then serves all who asked.
func TestErrandsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "app.log")
		f.numbered(10)
		s, _ := f.scanned()
		settles := 0
		f.cfg.stat = nil
		s.cfg.stat = func(path string) (fileStat, error) {
			if path == f.path("app.log") {
				settles++
				time.Sleep(time.Second)
			}
			return statPath(path)
		}
		l := s.lineages[f.path("app.log")]
		began := time.Now()
		s.settleSoon(l)
		<-s.errands.due()
		if time.Since(began) > 0 {
			t.Errorf("the first one waited for %v", time.Since(began))
		}
		s.runErrand(t.Context())
		cost := time.Since(began)
		for range 100 {
			s.settleSoon(l)
		}
		began, settles = time.Now(), 0
		<-s.errands.due()
		if rest := time.Since(began); rest != (errandShare-1)*cost || cost == 0 {
			t.Errorf("an errand of %v, then a rest of %v", cost, rest)
		}
		s.runErrand(t.Context())
		if settles == 0 || time.Since(began) != errandShare*cost {
			t.Errorf("all who asked were served after %v, want %v", time.Since(began), errandShare*cost)
		}
		s.commits.Wait()
	})
}

// TestErrandThatAScanHasDone looks at nothing, but goes on with those who were sought.
func TestErrandThatAScanHasDone(t *testing.T) {
	f := newFixture(t, "app.log")
	f.numbered(3)
	s, looks := f.scanned()
	l := s.lineages[f.path("app.log")]
	g := l.current
	f.remove("app.log")
	s.seek(g)
	time.Sleep(time.Microsecond)
	s.settle(t.Context(), l)
	looks.Store(0)
	s.runErrand(t.Context())
	if looks.Load() != 0 {
		t.Errorf("%d looks", looks.Load())
	}
	if s.missing[g].IsZero() || !g.dormant {
		t.Error("it has vanished, and that is not known")
	}
	s.commits.Wait()
}

// TestErrandForALineageThatEnded has reloads take the lineage away, and give the generation another one.
func TestErrandForALineageThatEnded(t *testing.T) {
	f := newFixture(t, "app.log")
	f.numbered(0)
	s, _ := f.scanned()
	sections, l := s.sections, s.lineages[f.path("app.log")]
	g := l.current
	s.seek(g)
	s.sections = nil
	s.redirect()
	s.sections = sections
	s.rejoin()
	if g.lineage == nil || g.lineage == l {
		t.Fatal("it has no new lineage")
	}
	s.runErrand(t.Context())
	if e := s.errands.of[g.lineage]; e == nil || !e.sought[g] {
		t.Error("it is not sought any more")
	}
	s.runErrand(t.Context())
	if len(s.errands.queue) != 0 {
		t.Errorf("%d errands are left", len(s.errands.queue))
	}
	s.commits.Wait()
}

// TestReloadsBesideManyRotatedFiles reloads again and again while hundreds or thousands of rotated files are renamed tens of
// times a second, and each time takes a moment only.
func TestReloadsBesideManyRotatedFiles(t *testing.T) {
	old, unread, pause, during := 300, 100, 50*time.Millisecond, 2*time.Second
	if *long {
		old, unread, pause, during = 3000, 500, 30*time.Millisecond, 20*time.Second
	}
	t.Run("old", func(t *testing.T) { reloadsBesideManyFiles(t, old, false, pause, during) })
	t.Run("unread", func(t *testing.T) { reloadsBesideManyFiles(t, unread, true, pause, during) })
}

func reloadsBesideManyFiles(t *testing.T, n int, unread bool, pause, during time.Duration) {
	f := newFixture(t, "app.log")
	f.cfg.PollInterval, f.cfg.ScanInterval = time.Second, 5*time.Second
	f.cfg.Sections = []Section{f.section("app/0", "app.log")}
	if unread { // they come while nothing is running
		f.numbered(0)
		f.up()
		f.wants("app/0", "new\n")
		f.down()
	}
	f.numbered(n)
	f.up()
	end := make(chan struct{})
	var rotating sync.WaitGroup
	rotations := 0
	rotating.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for ; ; rotations++ {
			select {
			case <-end:
				return
			case <-tick.C:
				f.shift(n + rotations)
			}
		}
	})
	defer rotating.Wait()
	defer close(end)
	var took []time.Duration
	for until := time.Now().Add(during); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		began := time.Now()
		switch len(took) % 3 {
		case 0, 1:
			f.reconfigure(f.section(fmt.Sprintf("app/%d", len(took)%3), "app.log"))
		default:
			f.reconfigure(f.section("other", "other.log"))
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("%d files, %d reloads: half of them within %v, 99 of 100 within %v, all within %v", n, len(took), took[len(took)/2], p99, took[len(took)-1])
	if p99 > 2*time.Second {
		t.Errorf("reloads take too long")
	}
}

// TestFileOpenedWhileItsSizeIsTaken has an older file opened right after a newer one's reader has not found it under its
// old name. The newer one must not wait for it to be opened.
func TestFileOpenedWhileItsSizeIsTaken(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "old\n")
	s, _ := f.scanned()
	l := s.lineages[f.path("app.log")]
	f.rename("app.log", "app.log.1")
	f.write("app.log", "new\n")
	s.settle(t.Context(), l)
	s.commits.Wait()
	older, newer := l.generations[0], l.generations[1]
	for range s.ready { // a worker holds the newer one, nobody the older one
		s.next().state = idle
	}
	newer.state = held
	older.name = f.path("app.log.0") // where it was a moment ago
	s.cfg.stat = func(path string) (fileStat, error) {
		st, err := statPath(path)
		if path == older.name {
			older.name = f.path("app.log.1")
			if _, err := s.descriptor(t.Context(), older); err != nil {
				t.Fatal(err)
			}
		}
		return st, err
	}
	if _, ok := s.clear(newer, 4); ok {
		t.Fatal("the newer one does not wait")
	}
	s.release(newer, false)
	r := &reader{source: s}
	for len(s.ready) > 0 {
		g := s.next()
		again := r.read(t.Context(), g)
		s.commits.Wait()
		s.release(g, again)
		s.handleKick(t.Context())
		for len(s.errands.queue) > 0 {
			s.runErrand(t.Context())
		}
		s.commits.Wait()
	}
	if got := f.spool.log("app"); got != "old\nnew\n" {
		t.Errorf("got %q", got)
	}
	for e := s.opened.Front(); e != nil; e = e.Next() {
		e.Value.(*descriptor).Close()
	}
}

// TestReloadLetsSettledFilesSleep uncovers a path and covers it again: of its old files those are looked for that may have
// lines which nobody has read.
func TestReloadLetsSettledFilesSleep(t *testing.T) {
	for _, proven := range []bool{true, false} {
		f := newFixture(t, "app.log")
		f.numbered(0)
		s, _ := f.scanned()
		f.shift(0)
		l := s.lineages[f.path("app.log")]
		s.settle(t.Context(), l)
		s.commits.Wait()
		g, sections := l.generations[0], s.sections
		g.dormant, g.proven = true, proven
		s.sections = nil
		s.redirect()
		s.sections = sections
		s.rejoin()
		if g.lineage == nil || g.dormant != proven {
			t.Errorf("read to its end %v: it sleeps %v", proven, g.dormant)
		}
	}
}

// TestInodeOfAFileThatIsToBeRead has a rotated file bear the inode of one that was deleted while it waited to be opened.
func TestInodeOfAFileThatIsToBeRead(t *testing.T) {
	f := newFixture(t, "app.log", "web.log")
	f.write("app.log", "one\n")
	f.write("web.log", "web\n")
	s, _ := f.scanned()
	deleted, l := s.lineages[f.path("web.log")].current, s.lineages[f.path("app.log")]
	f.rename("web.log", "deleted") // else the file system itself may give its inode to another file
	deleted.state = queued
	f.rename("app.log", "app.log.2")
	f.write("app.log.1", "two\n")
	f.write("app.log", "three\n")
	s.cfg.stat = func(path string) (fileStat, error) {
		st, err := statPath(path)
		if path == f.path("app.log.1") {
			st.inode, st.born = deleted.id.inode, deleted.id.born+1e9
		}
		return st, err
	}
	s.settle(t.Context(), l)
	s.commits.Wait()
	if len(l.generations) != 3 || l.generations[1].name != f.path("app.log.1") {
		t.Errorf("%d generations stood at %s, want 3, the second of them at app.log.1", len(l.generations), l.path)
	}
}

// TestInodeOfAFileThatIsLookedFor rotates while a source that has just started finds out whether the rest of a deleted file
// is in one that nobody has seen. The file that is rotated then has the inode of the deleted one, which is not let go yet, or
// which was queued again, because a file that is to be read waits for it.
func TestInodeOfAFileThatIsLookedFor(t *testing.T) {
	for _, letGo := range []bool{false, true} {
		t.Run(fmt.Sprintf("let go=%v", letGo), func(t *testing.T) {
			f := newFixture(t, "app.log*")
			f.cfg.Sections[0].Log = "app"
			s, deleted, waits := f.lookedForBesideItsInode()
			l, r := deleted.lineage, &reader{source: s}
			r.read(t.Context(), waits)
			s.release(waits, false)
			r.read(t.Context(), deleted)
			f.shift(2)
			if letGo {
				s.release(deleted, false)
			}
			s.handleKick(t.Context())
			s.commits.Wait()
			f.wantsGenerations(l, "app.log.3", "app.log.2", "app.log.1", "app.log")
		})
	}
}

// lookedForBesideItsInode returns a source after its first scan, with two generations that the caller holds: one that is no
// more, and one at app.log.2 that has grown since. At app.log.1 is a file that nobody has seen, and at app.log one that has
// the inode of the first.
func (f *fixture) lookedForBesideItsInode() (s *Source, deleted, grown *generation) {
	a, b := lines("a", 0, 200), lines("b", 0, 200)
	f.write("app.log", a)
	f.up()
	f.wants("app", a)
	f.rename("app.log", "app.log.1")
	f.write("app.log", b)
	f.wants("app", a+b)
	f.down()

	f.rename("app.log.1", "deleted") // else the file system itself may give its inode to another file
	f.write("app.log", "more b\n")
	f.rename("app.log", "app.log.2")
	f.write("app.log.1", "c\n")
	f.write("app.log", "d\n")
	old, err := statPath(f.path("deleted"))
	f.check(err)
	d, err := statPath(f.path("app.log"))
	f.check(err)
	f.cfg.stat = func(path string) (fileStat, error) {
		st, err := statPath(path)
		if err == nil && st.identity == d.identity {
			st.inode = old.inode
		}
		return st, err
	}
	s, err = New(f.cfg)
	f.check(err)
	f.t.Cleanup(func() {
		for e := s.opened.Front(); e != nil; e = e.Next() {
			e.Value.(*descriptor).Close()
		}
	})
	s.scan(context.Background())
	s.commits.Wait()
	grown = s.byName[f.path("app.log.2")]
	grown.dormant = false // as if it had been read when the other one was found to be gone
	s.enqueue(grown)
	grown = nil
	for len(s.ready) > 0 {
		if g := s.next(); g.inside != nil {
			deleted = g
		} else {
			grown = g
		}
	}
	if deleted == nil || grown == nil || grown.name != f.path("app.log.2") {
		f.t.Fatal("the deleted file is not looked for, or the rest of app.log.2 is not to be read")
	}
	return s, deleted, grown
}

// wantsGenerations compares where the lineage's generations are, from the oldest to the newest.
func (f *fixture) wantsGenerations(l *lineage, names ...string) {
	f.t.Helper()
	var got []string
	for _, g := range l.generations {
		if !g.orphaned {
			got = append(got, filepath.Base(g.name))
		}
	}
	if !slices.Equal(got, names) {
		f.t.Errorf("the generations of %s are at %q, want %q", l.path, got, names)
	}
}

// TestInodeOfAFileWhoseCheckpointIsOnItsWay deletes a file while its first checkpoint is being stored. Two files come after
// it, of which the first has its inode, before that is done.
func TestInodeOfAFileWhoseCheckpointIsOnItsWay(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	s, _ := f.scanned()
	l := s.lineages[f.path("app.log")]
	stored := make(chan struct{})
	f.spool.do(func() { f.spool.blocked = stored })
	f.shift(0)
	s.settle(t.Context(), l)
	deleted := l.current
	f.rename("app.log", "deleted") // else the file system itself may give its inode to another file
	f.write("app.log", "two\n")
	two, err := statPath(f.path("app.log"))
	f.check(err)
	s.cfg.stat = func(path string) (fileStat, error) {
		st, err := statPath(path)
		if err == nil && st.identity == two.identity {
			st.inode = deleted.id.inode
		}
		return st, err
	}
	s.settle(t.Context(), l)
	if !l.waiting {
		t.Error("the new file was taken for the deleted one")
	}
	f.shift(1)
	s.settle(t.Context(), l)
	close(stored)
	s.commits.Wait()
	s.poll(t.Context(), now())
	for len(s.errands.queue) > 0 {
		s.runErrand(t.Context())
	}
	s.commits.Wait()
	f.wantsGenerations(l, "app.log.2", "app.log.1", "app.log")
	s.poll(t.Context(), now())
	if len(s.errands.queue) > 0 {
		t.Error("the path is to be settled once more")
	}
}
