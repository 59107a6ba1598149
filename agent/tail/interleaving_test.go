package tail

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// byHand works as the goroutines of a source do, one step of one of them at a time.
type byHand struct {
	*Source
	reader reader
	t      *testing.T
}

// byHand returns a source that has read all that there is.
func (f *fixture) byHand(t *testing.T) *byHand {
	h := f.inHand(t)
	h.run(nil)
	return h
}

// inHand returns a source that has done its first scan, and nothing else.
func (f *fixture) inHand(t *testing.T) *byHand {
	h := f.notScanned(t)
	h.scan(t.Context())
	h.commits.Wait()
	return h
}

// notScanned returns a source that knows what the spool does.
func (f *fixture) notScanned(t *testing.T) *byHand {
	s, err := New(f.cfg)
	f.check(err)
	h := &byHand{Source: s, reader: reader{source: s}, t: t}
	t.Cleanup(func() {
		s.commits.Wait()
		for e := s.opened.Front(); e != nil; e = e.Next() {
			e.Value.(*descriptor).Close()
		}
	})
	return h
}

// readFirst has a worker look at a generation before any other, and the conductor decide what it asks.
func (h *byHand) readFirst(g *generation) {
	h.readNow(g)
	h.commits.Wait()
	h.handleKick(h.t.Context())
}

// readNow is that without waiting for what the worker has sent on its way to the spool.
func (h *byHand) readNow(g *generation) {
	h.ready = slices.DeleteFunc(h.ready, func(other *generation) bool { return other == g })
	g.state = held
	h.release(g, h.reader.read(h.t.Context(), g))
}

// step says whether there was something to do.
func (h *byHand) step() bool {
	h.commits.Wait()
	h.mu.Lock()
	ready, kicked := len(h.ready) > 0, len(h.searched)+len(h.ended)+len(h.glimpsed) > 0
	h.mu.Unlock()
	errand := len(h.errands.queue) > 0
	switch {
	case kicked:
		h.handleKick(h.t.Context())
	case ready:
		g := h.next()
		h.release(g, h.reader.read(h.t.Context(), g))
	case errand:
		h.runErrand(h.t.Context())
	}
	h.commits.Wait()
	return kicked || ready || errand
}

// run goes on until there is nothing to do, or what was waited for is so.
func (h *byHand) run(until func() bool) {
	h.t.Helper()
	for range 10_000 {
		if until != nil && until() {
			return
		}
		if !h.step() {
			if until != nil {
				h.t.Fatal("what was waited for did not come")
			}
			return
		}
	}
	h.t.Fatal("there is no end")
}

// look has the source look at everything that there is, until it has read it all.
func (h *byHand) look() {
	h.t.Helper()
	for range 3 {
		h.scan(h.t.Context())
		h.run(nil)
		h.poll(h.t.Context(), now().Add(h.cfg.PollInterval))
		h.run(nil)
	}
}

// shut closes a file, as is done with those that are surplus.
func (h *byHand) shut(g *generation) {
	h.mu.Lock()
	file := h.dropLocked(g)
	h.mu.Unlock()
	file.Close()
}

// hold takes the generation that is ready next, as a worker does, which must be this one.
func (h *byHand) hold(g *generation) {
	h.t.Helper()
	if next := h.next(); next != g {
		h.t.Fatalf("%s is ready, not %s", next.name, g.name)
	}
}

func (h *byHand) wants(f *fixture, want string) {
	h.t.Helper()
	h.look()
	if got := f.spool.log("app"); got != want {
		h.t.Errorf("log is wrong\n got %s\nwant %s", excerpt(got, want), excerpt(want, got))
	}
}

// TestCopyTruncateBeforeTheFirstRead copies and truncates a file between the look for copies and the first read.
func TestCopyTruncateBeforeTheFirstRead(t *testing.T) {
	for _, glob := range []string{"app.log", "app.log*"} {
		for _, more := range []int{0, 10, 40} { // lines that follow; the same content is more than one of the old, or less
			t.Run(fmt.Sprintf("%s %d", glob, more), func(t *testing.T) {
				f := newFixture(t, glob).real()
				f.write("app.log", "")
				h := f.byHand(t)
				g := h.lineages[f.path("app.log")].current
				f.write("app.log", lines("a", 0, 20))
				h.enqueue(g)
				h.run(func() bool { return g.vetted })
				f.copyTruncate("app.log", "app.log.1")
				f.write("app.log", lines("b", 0, more))
				h.wants(f, lines("a", 0, 20)+lines("b", 0, more))
			})
		}
	}
}

// TestEmptyFileIsLookedIntoAfterItsTruncation has a truncation come between the look for copies, which found none, and a
// look at the file: its time is then that of the truncation, which is later than that of the copy.
func TestEmptyFileIsLookedIntoAfterItsTruncation(t *testing.T) {
	for _, glob := range []string{"app.log", "app.log*"} {
		t.Run(glob, func(t *testing.T) {
			f := newFixture(t, glob).real()
			ago := func(name string, d time.Duration) {
				f.check(os.Chtimes(f.path(name), time.Time{}, time.Now().Add(-d)))
			}
			f.write("app.log", "")
			ago("app.log", 5*time.Second)
			h := f.byHand(t)
			g := h.lineages[f.path("app.log")].current
			ago("app.log", 4*time.Second)
			h.enqueue(g)
			h.run(func() bool { return g.vetted })
			f.write("app.log", lines("a", 0, 20))
			f.copyTruncate("app.log", "app.log.1")
			ago("app.log.1", 3*time.Second)
			ago("app.log", 2*time.Second)
			h.run(nil)
			f.write("app.log", lines("b", 0, 10))
			h.wants(f, lines("a", 0, 20)+lines("b", 0, 10))
		})
	}
}

// torn is a file that changes in the middle of a read.
type torn struct {
	handle
	change func()
}

func (f *torn) ReadAt(buf []byte, offset int64) (int, error) {
	if f.change == nil {
		return f.handle.ReadAt(buf, offset)
	}
	n, err := f.handle.ReadAt(buf[:len(buf)/2], offset)
	if err != nil {
		return n, err
	}
	f.change()
	f.change = nil
	m, err := f.handle.ReadAt(buf[n:], offset+int64(n))
	return n + m, err
}

// TestTruncationInTheMiddleOfARead gives the reader the first half of what was asked from before a truncation, and the
// other half from what was written after it.
func TestTruncationInTheMiddleOfARead(t *testing.T) {
	for _, read := range []int{0, 20} {
		t.Run(fmt.Sprintf("%d lines before", read), func(t *testing.T) {
			f := newFixture(t, "app.log").real()
			f.write("app.log", lines("a", 0, read))
			h := f.byHand(t)
			g := h.lineages[f.path("app.log")].current
			f.write("app.log", lines("a", read, 50))
			h.enqueue(g)
			h.run(func() bool { return read > 0 || g.vetted })
			h.run(func() bool { return len(h.ready) > 0 })
			h.next()
			file, st, ok := h.reader.look(t.Context(), g)
			if !ok {
				t.Fatal("the file can't be read")
			}
			halves := &torn{handle: file, change: func() {
				f.copyTruncate("app.log", "app.log.1")
				f.write("app.log", lines("b", 0, 100))
			}}
			if data, err := h.reader.chunk(halves, g, st.size-g.position); err != errTruncated {
				t.Errorf("%d bytes were read, and the error is %v", len(data), err)
			}
			h.cutShort(g, beginning{})
			h.release(g, false)
			h.wants(f, lines("a", 0, 50)+lines("b", 0, 100))
		})
	}
}

// TestCopyBeforeTheTruncation starts a source between the copy and the truncation, when an older copy holds the rest of
// what was read: the newer one is of what is in the file still.
func TestCopyBeforeTheTruncation(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.down()
		f.write("app.log", lines("a", 50, 60))
		f.copyTruncate("app.log", "app.log.2")
		f.write("app.log", lines("b", 0, 100))
		f.copyFile("app.log", "app.log.1")
		f.up()
		f.wantsOnly(lines("a", 0, 60) + lines("b", 0, 100))
		f.check(os.Truncate(f.path("app.log"), 0))
		f.write("app.log", lines("c", 0, 10))
		f.wantsOnly(lines("a", 0, 60) + lines("b", 0, 100) + lines("c", 0, 10))
	})
}

// TestCopyThatEndsInTheMiddleOfAWrite is of a copy that has a part of a line, whose rest was read before the truncation.
// The file's time is that of the beginning of the write, and the copy's a later one.
func TestCopyThatEndsInTheMiddleOfAWrite(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 200)+"a li")
		f.up()
		f.wants("app", lines("a", 0, 200))
		f.down()
		f.copyFile("app.log", "app.log.1")
		f.write("app.log", "ne 200\n")
		st, err := statPath(f.path("app.log"))
		f.check(err)
		f.check(os.Chtimes(f.path("app.log.1"), time.Time{}, time.Unix(0, st.mtime).Add(writeTime/2)))
		f.up()
		f.wants("app", lines("a", 0, 201))
		f.down()
		f.check(os.Truncate(f.path("app.log"), 0))
		f.write("app.log", lines("b", 0, 3))
		f.up()
		f.wantsOnly(lines("a", 0, 201) + lines("b", 0, 3))
	})
}

// TestInodeOfAFileWithABatchInFlight has a file bear the inode of one that was deleted and closed, and of which something
// is on its way to the spool yet. Nobody may say what the new file is before that has come to an end.
func TestInodeOfAFileWithABatchInFlight(t *testing.T) {
	for _, at := range []string{"app.log.1", "app.log", "new.log", "new.log.1"} {
		t.Run(at, func(t *testing.T) {
			f := newFixture(t, "app.log", "web.log", "new.log").real()
			f.cfg.Sections[0].Log = "app"
			f.write("app.log", "one\n")
			f.write("web.log", "web\n")
			h := f.byHand(t)
			h.wants(f, "one\nweb\n")
			deleted := h.lineages[f.path("web.log")].current
			deleted.inflight = true
			h.shut(deleted)
			f.rename("app.log", "app.log.2")
			f.write("app.log.1", "two\n")
			f.write("app.log", "three\n")
			f.write("new.log.1", "four\n")
			f.write("new.log", "five\n")
			f.remove("web.log") // last, or the file system gives its inode to one of the others
			onItsInode := func(path string, st fileStat, err error) (fileStat, error) {
				if path == f.path(at) && st.inode != deleted.id.inode {
					st.inode, st.born = deleted.id.inode, deleted.id.born+1e9
				}
				return st, err
			}
			h.cfg.stat = func(path string) (fileStat, error) {
				st, err := statPath(path)
				return onItsInode(path, st, err)
			}
			h.cfg.fstat = func(file *os.File) (fileStat, error) {
				st, err := statFile(file)
				return onItsInode(file.Name(), st, err)
			}
			h.scan(t.Context())
			if deleted.name == f.path(at) || h.byName[f.path(at)] == deleted {
				t.Errorf("the file at %s was taken for the deleted one", at)
			}
			h.look()
			if deleted.dead {
				t.Error("the deleted one was dropped with a batch in flight")
			}
			h.mu.Lock()
			h.committedLocked(deleted, deleted.position)
			h.mu.Unlock()
			h.settlePostponed()
			h.look()
			if g := h.byInode[deleted.id.inode]; g == deleted || g == nil || g.name != f.path(at) {
				t.Errorf("the file at %s is not known", at)
			}
			names := map[string][]string{}
			for _, l := range h.lineages {
				for _, g := range l.generations {
					names[l.path] = append(names[l.path], g.name)
				}
			}
			want := []string{f.path("app.log.2"), f.path("app.log.1"), f.path("app.log")}
			if got := names[f.path("app.log")]; !slices.Equal(got, want) {
				t.Errorf("at app.log stood %v, want %v", got, want)
			}
			if got, want := names[f.path("new.log")], []string{f.path("new.log.1"), f.path("new.log")}; !slices.Equal(got, want) {
				t.Errorf("at new.log stood %v, want %v", got, want)
			}
		})
	}
}

// TestRewrittenAndRotated has a file truncated, written anew to its old length, and rotated, between two looks. The file
// after it must wait until somebody has looked into it.
func TestRewrittenAndRotated(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down=%v", down), func(t *testing.T) {
			f := newFixture(t, "app.log")
			f.write("app.log", "one\n")
			past := time.Now().Add(-time.Minute)
			f.check(os.Chtimes(f.path("app.log"), past, past))
			var h *byHand
			if down {
				f.up()
				f.wants("app", "one\n")
				f.down()
			} else {
				h = f.byHand(t)
			}
			f.check(os.Truncate(f.path("app.log"), 0))
			f.write("app.log", "two\n")
			f.rename("app.log", "app.log.1")
			f.write("app.log", "three\n")
			if down {
				h = f.inHand(t)
			} else {
				h.scan(t.Context())
				h.commits.Wait()
			}
			for range 3 {
				h.readFirst(h.lineages[f.path("app.log")].current)
			}
			h.wants(f, "one\ntwo\nthree\n")
		})
	}
}

// TestUnreadableWithLinesUnderWay has a file become unreadable when lines of it are on their way to the spool. It holds up
// the next file until they are there, and no longer.
func TestUnreadableWithLinesUnderWay(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	older := h.lineages[f.path("app.log")].current
	empty := f.fullSpool()
	f.write("app.log", "two\n")
	h.readNow(older)
	f.rename("app.log", "app.log.1")
	f.write("app.log", "three\n")
	h.scan(t.Context())
	newer := h.lineages[f.path("app.log")].current
	f.eventually(func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return !newer.unregistered
	})
	h.failedRead(older, errors.New("input/output error"))
	for range 3 {
		h.readNow(newer)
		h.handleKick(t.Context())
	}
	if newer.position > 0 {
		t.Error("a newer file is read before the lines of the older one are in the spool")
	}
	empty()
	h.commits.Wait()
	h.readFirst(newer)
	h.commits.Wait()
	if got, want := f.spool.log("app"), "one\ntwo\nthree\n"; got != want {
		t.Errorf("log is %q, want %q", got, want)
	}
}

// TestSecondLookIsTaken has a worker hold an older file, which it has found whole already, when another one wants to read the
// newer one: that waits for a further look at the older one, which nothing else gives rise to.
func TestSecondLookIsTaken(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	older := h.lineages[f.path("app.log")].current
	time.Sleep(2 * clockTick)
	h.enqueue(older)
	h.run(nil)
	f.rename("app.log", "app.log.1")
	f.write("app.log", "two\n")
	h.enqueue(older)
	h.hold(older)
	h.reader.read(t.Context(), older) // and it is held for a while
	h.scan(t.Context())
	newer := h.lineages[f.path("app.log")].current
	h.run(func() bool { return newer.blockers > 0 })
	h.release(older, false)
	h.run(nil)
	if got := f.spool.log("app"); got != "one\ntwo\n" {
		t.Errorf("the newer file waits still: log is %q", got)
	}
}

// TestWrittenToWhileAnOlderFileIsLookedFor has the event of a write to the newest file come after a start, while the path waits
// for what became of the oldest, and a worker take up the newest first. The file between them is asleep, and yet comes before it.
func TestWrittenToWhileAnOlderFileIsLookedFor(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", lines("a", 0, 50))
	f.up()
	f.wants("app", lines("a", 0, 50))
	f.rename("app.log", "app.log.2")
	f.write("app.log", "")
	f.known(2)
	f.rename("app.log", "app.log.1")
	f.write("app.log", lines("c", 0, 10))
	f.wants("app", lines("a", 0, 50)+lines("c", 0, 10))
	f.down()
	f.rename("app.log.2", "elsewhere")
	f.write("app.log.1", lines("b", 0, 30))
	f.write("empty", "")
	f.pack("empty", "app.log.3.gz")
	f.write("app.log", lines("c", 10, 30))
	h := f.inHand(t)
	l := h.lineages[f.path("app.log")]
	if oldest := l.generations[0]; !l.waiting || oldest.inside == nil {
		t.Fatal("nobody looks for the oldest file")
	}
	newest := l.current
	h.written(newest)
	if newest.state == queued {
		h.readNow(newest)
	}
	h.wants(f, lines("a", 0, 50)+lines("c", 0, 10)+lines("b", 0, 30)+lines("c", 10, 30))
}

// TestTruncatedFileThatWaitsForOneThatIsGone has a rotated file wait for an older one, which nobody has found yet, and be copied
// and truncated then. Whether the older one is gone is not known before the path is settled; and the path waits for the copy.
func TestTruncatedFileThatWaitsForOneThatIsGone(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	f.rename("app.log", "app.log.2")
	f.write("app.log", "two\n")
	h.look()
	f.rename("app.log.2", "app.log.3")
	f.rename("app.log", "app.log.2")
	f.write("app.log", "three\n")
	h.wants(f, "one\ntwo\nthree\n")
	l := h.lineages[f.path("app.log")]
	gone, cut := l.generations[0], l.generations[1]
	h.shut(gone)
	f.rename("app.log.3", "elsewhere")
	f.write("app.log.2", "late\n")
	h.readNow(cut)
	if cut.blockers == 0 {
		t.Fatal("it does not wait")
	}
	f.copyTruncate("app.log.2", "app.log.1")
	f.write("app.log.2", "new\n")
	h.settle(t.Context(), l)
	h.wants(f, "one\ntwo\nthree\nlate\nnew\n")
}

// TestCopyIsReadWhenItsPathIsSettled has three rotated files change while nothing was running: the oldest, which is asleep, got
// lines, and the two others were copied and truncated. The copy of the one is found at once, and that of the other one is compressed.
// Nothing is read before that is known, and the oldest is awake.
func TestCopyIsReadWhenItsPathIsSettled(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", lines("a", 0, 50))
	f.up()
	want := lines("a", 0, 50)
	for i, name := range []string{"b", "c", "d"} {
		f.wants("app", want)
		f.rename("app.log", fmt.Sprint("app.log.", 4-i))
		f.write("app.log", lines(name, 0, 50))
		want += lines(name, 0, 50)
	}
	f.wants("app", want)
	f.down()
	f.write("app.log.4", lines("a", 50, 60))
	f.write("app.log.3", lines("b", 50, 60))
	f.copyTruncate("app.log.3", "app.log.10")
	f.write("app.log.2", lines("c", 50, 60))
	f.rotateCopy("app.log.2", "app.log.11")
	h := f.inHand(t)
	h.handleKick(t.Context())
	l := h.lineages[f.path("app.log")]
	copied := l.generations[1]
	if !l.waiting || copied.name != f.path("app.log.10") {
		t.Fatalf("the copy is not known: %s", copied.name)
	}
	h.commits.Wait()
	h.readNow(copied)
	h.wants(f, want+lines("a", 50, 60)+lines("b", 50, 60)+lines("c", 50, 60))
}

// TestTruncatedFileWaitsForLinesUnderWay has a file be found truncated when lines of an older one, which is deleted and closed, are
// on their way to the spool. When they are there it is decided about it, however long it was idle.
func TestTruncatedFileWaitsForLinesUnderWay(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	f.rename("app.log", "app.log.1")
	f.write("app.log", "two\n")
	h.wants(f, "one\ntwo\n")
	l := h.lineages[f.path("app.log")]
	older, newer := l.generations[0], l.generations[1]
	older.inflight = true
	newer.active = now().Add(-24 * time.Hour)
	h.shut(older)
	f.remove("app.log.1")
	f.check(os.Truncate(f.path("app.log"), 0))
	f.write("app.log", "3\n")
	h.readFirst(newer)
	h.settlePostponed()
	h.run(nil)
	if !newer.truncated {
		t.Fatal("it does not wait")
	}
	h.mu.Lock()
	h.committedLocked(older, older.position)
	h.mu.Unlock()
	h.settlePostponed()
	h.run(nil)
	if got, want := f.spool.log("app"), "one\ntwo\n3\n"; got != want {
		t.Errorf("log is %q, want %q", got, want)
	}
}

// TestOpenThatHangs has a worker be about to open a file of which nothing was read, for as long as the file system takes, when
// that is compressed. The conductor asks again now and then, and not all the time.
func TestOpenThatHangs(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.inHand(t)
	f.shift(0)
	l := h.lineages[f.path("app.log")]
	h.settle(t.Context(), l)
	h.commits.Wait()
	older := l.generations[0]
	h.hold(older)
	f.pack("app.log.1", "app.log.1.gz")
	h.settle(t.Context(), l)
	h.run(nil)
	if !l.waiting {
		t.Error("the path does not wait for the worker")
	}
	h.release(older, h.reader.read(t.Context(), older))
	h.wants(f, "one\nnewer\n")
}

// TestRenamedFileOfAPathThatWaits has a file be renamed while its path waits for lines of an older one, which is deleted and closed.
// It is not looked for all the time, as nobody says under which name it is before these are in the spool.
func TestRenamedFileOfAPathThatWaits(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	f.rename("app.log", "app.log.1")
	f.write("app.log", "two\n")
	h.wants(f, "one\ntwo\n")
	l := h.lineages[f.path("app.log")]
	older, renamed := l.generations[0], l.generations[1]
	older.inflight = true
	h.shut(older)
	h.shut(renamed)
	f.remove("app.log.1")
	f.write("app.log", "late\n")
	f.rename("app.log", "app.log.1")
	f.write("app.log", "three\n")
	h.readFirst(renamed)
	h.run(nil)
	if !l.waiting {
		t.Fatal("the path does not wait")
	}
	h.mu.Lock()
	h.committedLocked(older, older.position)
	h.mu.Unlock()
	h.wants(f, "one\ntwo\nlate\nthree\n")
}

// TestPathThatWaitsForNothing: a scan settles a path that waits, though the file there is known, and nobody has told that what it
// waited for has come to an end.
func TestPathThatWaitsForNothing(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	l := h.lineages[f.path("app.log")]
	l.waiting = true
	h.scan(t.Context())
	if l.waiting {
		t.Error("it waits still")
	}
}
