package tail

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// freezable makes the source of the fixture one that can be kept from looking at files for some time, as if the process
// was stopped. It returns the functions that do that and that end it.
func (f *fixture) freezable() (freeze, thaw func()) {
	var running sync.RWMutex
	f.cfg.stat = func(path string) (fileStat, error) {
		running.RLock()
		defer running.RUnlock()
		return statPath(path)
	}
	return running.Lock, running.Unlock
}

// TestCompressedWhileStopped: while a source that runs looks at nothing, files come, are rotated away and compressed. They
// are read in their place, and not again, and the file that had been read is not read out of what it is compressed to.
func TestCompressedWhileStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ packed, dated, late bool }{{}, {packed: true}, {packed: true, dated: true}, {packed: true, late: true}} {
		t.Run(fmt.Sprintf("packed=%v,dated=%v,late=%v", c.packed, c.dated, c.late), func(t *testing.T) {
			everyGlob(t, func(t *testing.T, f *fixture) {
				freeze, thaw := f.freezable()
				f.write("app.log", lines("old", 0, 150))
				f.up()
				f.wants("app", lines("old", 0, 150))
				freeze()
				want := lines("old", 0, 160)
				f.write("app.log", lines("old", 150, 160))
				writer, err := os.OpenFile(f.path("app.log"), os.O_APPEND|os.O_WRONLY, 0)
				f.check(err)
				defer writer.Close()
				f.rename("app.log", "app.log-01")
				if c.packed {
					f.pack("app.log-01", "app.log-01.gz")
				}
				if c.late { // it is in the deleted file alone
					_, err := writer.WriteString(lines("old", 160, 170))
					f.check(err)
					want += lines("old", 160, 170)
				}
				if c.dated { // some tools leave the time when they compress
					now := time.Now()
					f.check(os.Chtimes(f.path("app.log-01.gz"), now, now))
				}
				for i := range 3 {
					time.Sleep(2 * clockTick)
					name := fmt.Sprintf("app.log-%02d", i+2)
					f.write("app.log", lines(name, 0, 50))
					f.rename("app.log", name)
					if i < 2 {
						f.pack(name, name+".gz")
					}
					want += lines(name, 0, 50)
				}
				time.Sleep(2 * clockTick)
				f.write("app.log", lines("new", 0, 50))
				want += lines("new", 0, 50)
				thaw()
				f.wants("app", want) // it may take long to the next scan, as this one took long
				f.down()
				f.up()
				f.wantsOnly(want)
				f.rename("app.log", "app.log-05")
				f.write("app.log", lines("newer", 0, 50))
				f.wantsOnly(want + lines("newer", 0, 50))
			})
		})
	}
}

// TestInodeOfACompressedFileIsAnothersAtAKill has the inode of a file that was read and compressed given to another file, and
// kills the source before it has looked around again. What is in the compressed file is not read again.
func TestInodeOfACompressedFileIsAnothersAtAKill(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	text := "one\n"
	for _, more := range []string{"two\n", "three\n"} {
		if _, err := os.Stat(f.path("app.log.1")); err == nil {
			f.rename("app.log.1", "app.log.2")
		}
		f.rename("app.log", "app.log.1")
		f.write("app.log", more)
		text += more
		h.wants(f, text)
	}
	l := h.lineages[f.path("app.log")]
	second := l.generations[1]
	for _, g := range l.generations[:2] {
		h.close(g) // as when they have been quiet for the grace period
	}
	f.pack("app.log.1", "app.log.1.gz")
	st, err := statPath(f.path("app.log.1.gz"))
	f.check(err)
	st.identity = identity{inode: second.id.inode, born: st.born + 1}
	if h.identify(t.Context(), f.path("other.log"), st) != nil {
		t.Fatal("the other file is not taken for a new one")
	}
	h.commits.Wait()
	f.rename("app.log.2", "app.log.3")
	f.rename("app.log.1.gz", "app.log.2.gz")
	f.rename("app.log", "app.log.1")
	f.write("app.log", "four\n")
	f.up()
	f.wants("app", text+"four\n")
	f.scans(2)
	f.wants("app", text+"four\n")
	f.down()
}

// TestCompressedUnreadWhileAllIsSeen: while all that there is is seen, and the time of that is stored, a file that is known and
// that nobody has read is being compressed, or was a moment ago, and its path is another file's. Killed then, the source must
// find its lines in the compressed file.
func TestCompressedUnreadWhileAllIsSeen(t *testing.T) {
	for _, complete := range []bool{false, true} {
		t.Run(fmt.Sprintf("complete=%v", complete), func(t *testing.T) {
			everyGlob(t, func(t *testing.T, f *fixture) {
				want := lines("a", 0, 50) + lines("b", 0, 30) + lines("c", 0, 30)
				f.write("app.log", lines("a", 0, 50))
				h := f.byHand(t)
				f.rename("app.log", "app.log.2")
				time.Sleep(clockTick)
				f.write("app.log", lines("b", 0, 30))
				h.scan(t.Context())
				f.rename("app.log", "app.log.1")
				time.Sleep(clockTick)
				f.write("app.log", lines("c", 0, 30))
				h.scan(t.Context())
				if n := len(h.lineages[f.path("app.log")].generations); n != 3 {
					t.Fatalf("%d files are known, want 3", n)
				}
				if !complete {
					f.write("app.log.1.gz", "")
				} else {
					f.pack("app.log.1", "app.log.1.gz")
				}
				time.Sleep(clockTick)
				h.dropped = true // or the time would be stored later
				h.scan(t.Context())
				h.commits.Wait()
				if !complete {
					f.pack("app.log.1", "app.log.1.gz")
				}
				f.up()
				f.wantsOnly(want)
				f.down()
			})
		})
	}
}

// TestEmptyFileIsDeletedWhileItIsOpen: it has no lines that anybody might miss, and so lets the time go on.
func TestEmptyFileIsDeletedWhileItIsOpen(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", "")
	h := f.byHand(t)
	h.look()
	if h.Stats().Open != 1 {
		t.Fatal("it is not open")
	}
	f.remove("app.log")
	before := h.saw
	time.Sleep(clockTick)
	h.scan(t.Context())
	h.run(nil)
	if h.saw == before {
		t.Error("the time waits for it")
	}
}

// TestInodeOfAFileThatWasJustCompressedIsAnothers: what was not read of the file is looked for in what it was compressed to, though
// that is younger than the last look at the folder.
func TestInodeOfAFileThatWasJustCompressedIsAnothers(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	f.rename("app.log", "app.log.1")
	f.write("app.log", "two\n")
	h.wants(f, "one\ntwo\n")
	g := h.lineages[f.path("app.log")].generations[0]
	h.shut(g)
	f.write("app.log.1", "late\n")
	h.siblingsOf(g.path, 0)
	f.pack("app.log.1", "app.log.1.gz")
	other := identity{inode: g.id.inode, born: g.id.born + 1}
	if h.identify(t.Context(), f.path("other.log"), fileStat{identity: other}) != nil {
		t.Skip("the file system does not know when files were born")
	}
	h.wants(f, "one\ntwo\nlate\n")
}

// TestTruncatedWhileAllIsSeen: while all that there is is seen, and the time of that is stored, a file has been copied and truncated,
// and the copies compressed, and nobody has decided about that, or even looked into the file. Killed then, the source must read
// what is in the copies.
func TestTruncatedWhileAllIsSeen(t *testing.T) {
	for _, noticed := range []bool{false, true} {
		written := 10
		if noticed {
			written = 200 // it is longer than what was read before
		}
		t.Run(fmt.Sprintf("noticed=%v", noticed), func(t *testing.T) {
			everyGlob(t, func(t *testing.T, f *fixture) {
				f.write("app.log", lines("a", 0, 50))
				h := f.byHand(t)
				time.Sleep(clockTick)
				f.write("app.log", lines("a", 50, 60))
				f.rotateCopy("app.log", "app.log.2")
				f.write("app.log", lines("b", 0, 20))
				f.rotateCopy("app.log", "app.log.1")
				f.write("app.log", lines("c", 0, written))
				time.Sleep(clockTick)
				if noticed {
					h.cutShort(h.byName[f.path("app.log")], beginning{})
				}
				h.dropped = true // or the time would be stored later
				h.scan(t.Context())
				h.commits.Wait()
				f.up()
				f.wantsOnly(lines("a", 0, 60) + lines("b", 0, 20) + lines("c", 0, written))
				f.down()
			})
		})
	}
}

// TestOldCompressedFileIsNoMissedCopy where the clock was set back since the last line was read.
func TestOldCompressedFileIsNoMissedCopy(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("old", "old\n")
		f.check(os.Chtimes(f.path("old"), time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)))
		f.pack("old", "app.log.7.gz")
		f.write("app.log", lines("a", 0, 50))
		f.check(os.Chtimes(f.path("app.log"), time.Now().Add(time.Hour), time.Now().Add(time.Hour)))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.down()
		f.copyFile("app.log", "app.log.1")
		f.check(os.Truncate(f.path("app.log"), 0))
		f.write("app.log", lines("b", 0, 10))
		f.up()
		f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 10))
		f.down()
	})
}
