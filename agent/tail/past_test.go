package tail

import (
	"os"
	"testing"
	"time"
)

// readAndPacked has a source that runs read a file, which is compressed and deleted while it is open, and let it go. The next
// file is at its path then, and read.
func (f *fixture) readAndPacked() (want string) {
	f.t.Helper()
	f.cfg.Grace = 10 * time.Millisecond
	f.write("app.log", lines("a", 0, 50))
	time.Sleep(clockTick) // or it would count as written since the last run, where nobody knows when files were born
	f.up()
	f.wants("app", lines("a", 0, 50))
	f.pack("app.log", "app.log.1.gz")
	time.Sleep(clockTick)
	f.write("app.log", lines("b", 0, 30))
	want = lines("a", 0, 50) + lines("b", 0, 30)
	f.wants("app", want)
	if !f.eventually(func() bool { return f.deletedDescriptors() == 0 }) {
		f.t.Fatal("the deleted file is not let go")
	}
	return want
}

// rotatedAgain rotates once more, when what is in the compressed file must not be read again.
func (f *fixture) rotatedAgain(want string) {
	f.t.Helper()
	f.rename("app.log", "app.log.0")
	f.write("app.log", lines("c", 0, 30))
	f.wantsOnly(want + lines("c", 0, 30))
}

// TestPastFileIsKnownOn across restarts and where the file system does not know when files were born.
func TestPastFileIsKnownOn(t *testing.T) {
	t.Parallel()
	for name, births := range map[string]bool{"births": true, "no births": false} {
		t.Run(name, func(t *testing.T) {
			everyGlob(t, func(t *testing.T, f *fixture) {
				if !births {
					f.cfg.stat = func(path string) (fileStat, error) { st, err := statPath(path); st.born = 0; return st, err }
					f.cfg.fstat = func(file *os.File) (fileStat, error) { st, err := statFile(file); st.born = 0; return st, err }
				}
				want := f.readAndPacked()
				f.down()
				f.up()
				f.rotatedAgain(want)
				f.down()
			})
		})
	}
}

// TestPastFileIsKnownWhenItsPathIsCoveredAgain has the sections change meanwhile.
func TestPastFileIsKnownWhenItsPathIsCoveredAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "app.log")
	want := f.readAndPacked()
	f.reconfigure(f.section("other", "other.log"))
	f.scans(2)
	f.reconfigure(f.section("app", "app.log"))
	f.scans(2)
	f.rotatedAgain(want)
	f.down()
}

// TestPastFilesAreForgotten in their order, once what they were compressed to is older than all that is known.
func TestPastFilesAreForgotten(t *testing.T) {
	const second = int64(time.Second)
	for _, c := range []struct {
		name      string
		past      []int64 // when they were last written to
		born      int64   // of the one after them
		forgotten int
	}{
		{"none", nil, 10 * second, 0},
		{"within one second", []int64{10*second + 1}, 10*second + 2, 0},
		{"in the second before", []int64{10*second - 1}, 10 * second, 1},
		{"not before an older one", []int64{10*second + 1, 10*second + 2, 10*second + 3}, 10*second + 4, 0},
		{"an older one alone", []int64{8 * second, 10*second + 1, 10*second + 2}, 10*second + 4, 1},
		{"two within one second before", []int64{10*second + 1, 10*second + 2, 12 * second}, 13 * second, 3},
		{"a file that is kept before them", []int64{-1, 10*second + 1, 11 * second}, 13 * second, 2},
		{"a file that is kept between them", []int64{10*second + 1, -1, 11 * second}, 13 * second, 2},
		{"a file that is kept, and no other", []int64{-1, 11 * second}, 0, 0},
		{"the clock was set back", []int64{10 * second}, 5 * second, 0},
		{"no other is left", []int64{10*second + 1, 10*second + 2}, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, "app.log")
			s, _ := f.scanned()
			l := s.lineageOf(f.path("app.log"))
			add := func(g *generation) {
				g.ordinal, g.path, g.dueIndex = l.nextOrdinalLocked(), l.path, -1
				s.joinLocked(g, l)
				if g.past {
					checkpoint := g.checkpointLocked()
					f.spool.checkpoints[orphanKey(g.id)] = checkpoint.encode()
				}
			}
			kept := 0
			for i, mtime := range c.past {
				g := &generation{id: identity{inode{ino: uint64(i)}, 1}, mtime: mtime, past: true, orphaned: true}
				if mtime < 0 { // it is asleep, and its file is there
					name := f.path("app.log.1")
					f.write("app.log.1", "")
					f.check(os.Chtimes(name, time.Unix(10, 0), time.Unix(10, 0)))
					st, err := statPath(name)
					f.check(err)
					g, kept = &generation{id: st.identity, mtime: st.mtime, checked: st.mtime, dormant: true, name: name}, 1
					s.byInode[st.inode], s.byName[name] = g, g
				}
				add(g)
			}
			if c.born != 0 {
				add(&generation{id: identity{inode{ino: 99}, c.born}, mtime: c.born + 5*second})
			}
			s.forgetPast(t.Context(), l)
			s.sawAll(t.Context()) // of the scan that has found that no other is left
			s.scan(t.Context())
			s.commits.Wait()
			if left := len(c.past) - kept - c.forgotten; len(f.checkpoints()) != left {
				t.Errorf("%d are known yet, want %d", len(f.checkpoints()), left)
			}
		})
	}
}

// TestUnreadFileIsCompressedBeforeAnotherIsForgotten: of two files nothing was read, and the later one was compressed before it
// shows that the earlier one is gone for good, whose inode is another file's.
func TestUnreadFileIsCompressedBeforeAnotherIsForgotten(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", lines("a", 0, 50))
	h := f.inHand(t)
	l := h.lineages[f.path("app.log")]
	first := l.current
	f.remove("app.log")
	time.Sleep(clockTick)
	f.write("app.log", lines("b", 0, 30))
	h.scan(t.Context())
	h.commits.Wait()
	f.pack("app.log", "app.log.1.gz")
	time.Sleep(clockTick)
	f.write("app.log", lines("c", 0, 30))
	other := identity{inode: first.id.inode, born: fileClock()}
	if first.id.born == 0 {
		other.born = 0
	}
	h.identify(t.Context(), f.path("other.log"), fileStat{identity: other})
	h.scan(t.Context())
	f.up()
	f.wantsOnly(lines("b", 0, 30) + lines("c", 0, 30))
	f.down()
}

// TestPastFileIsKnownUntilAScan has the only file of a path be written to, compressed, and let go between two scans: it stays
// known until the next one, or the compressed file would be newer than all that is known.
func TestPastFileIsKnownUntilAScan(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"in one run": false, "across a restart": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "app.log")
			f.write("app.log", "one\n")
			h := f.byHand(t)
			time.Sleep(clockTick)
			f.write("app.log", "two\n")
			g := h.byName[f.path("app.log")]
			h.enqueue(g)
			h.run(nil)
			f.pack("app.log", "app.log.1.gz")
			g.linked = false // as is noticed
			h.letGo(t.Context(), g)
			h.run(nil)
			time.Sleep(clockTick)
			f.write("app.log", "three\n")
			if restart {
				f.up()
				f.wantsOnly("one\ntwo\nthree\n")
				f.down()
			} else {
				h.wants(f, "one\ntwo\nthree\n")
			}
		})
	}
}

// TestPastFileIsCompressedWithoutItsTime: some tools give what they compress the time at which they did. The next file is rotated
// when nothing was written to it since before that.
func TestPastFileIsCompressedWithoutItsTime(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.cfg.Grace = 10 * time.Millisecond
		old := time.Now().Add(-time.Hour)
		f.write("app.log", lines("a", 0, 50))
		f.check(os.Chtimes(f.path("app.log"), old, old))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("b", 0, 30))
		want := lines("a", 0, 50) + lines("b", 0, 30)
		f.wants("app", want)
		time.Sleep(clockTick)
		f.pack("app.log.1", "app.log.1.gz")
		f.check(os.Chtimes(f.path("app.log.1.gz"), time.Time{}, time.Now()))
		if !f.eventually(func() bool { return f.deletedDescriptors() == 0 }) {
			t.Fatal("the deleted file is not let go")
		}
		f.rotatedAgain(want)
		f.down()
	})
}

// TestFloorEndsAtAGap: what is missing between two generations was read, and so was what was compressed before the newer one.
func TestFloorEndsAtAGap(t *testing.T) {
	f := newFixture(t, "app.log")
	s, _ := f.scanned()
	l := &lineage{}
	for _, ordinal := range []uint64{1, 2, 4, 5} {
		l.generations = append(l.generations, &generation{ordinal: ordinal, mtime: int64(ordinal)})
	}
	if got := s.floorOf(l); got.written != 4 {
		t.Errorf("the floor is %d, want 4", got.written)
	}
}

// TestWaitingPathIsNotEnded, though all that is known of it is past: another file may be there that nobody knows yet.
func TestWaitingPathIsNotEnded(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	l := h.lineages[f.path("app.log")]
	g := l.current
	f.remove("app.log")
	h.scan(t.Context())
	h.mu.Lock()
	g.linked = false
	h.mu.Unlock()
	h.letGo(t.Context(), g)
	h.run(nil)
	for _, waiting := range []bool{true, false} {
		l.waiting = waiting
		h.scans.number++
		h.sawAll(t.Context())
		if ended := len(l.generations) == 0; ended == waiting {
			t.Errorf("waiting %v: ended %v", waiting, ended)
		}
	}
}

// TestPastFileIsPastAfterARestart: what a file that was given up has lost is counted, and not read any more.
func TestPastFileIsPastAfterARestart(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", lines("a", 0, 50))
	h := f.byHand(t)
	g := h.lineages[f.path("app.log")].current
	f.write("app.log", lines("a", 50, 90))
	f.pack("app.log", "app.log.1.gz")
	f.write("app.log", lines("b", 0, 30))
	h.mu.Lock()
	g.linked, g.givenUp = false, true
	h.mu.Unlock()
	h.letGo(t.Context(), g)
	h.commits.Wait()
	f.up()
	f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 30))
	f.down()
}
