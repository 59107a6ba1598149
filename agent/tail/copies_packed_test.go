package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestCompressedCopiesBetweenTwoLooks: files are copied, truncated and compressed while a source runs that does not look.
// What is in the copies is read in its place, once.
func TestCompressedCopiesBetweenTwoLooks(t *testing.T) {
	for _, glob := range []string{"app.log", "app.log*"} {
		for _, read := range []int{0, 50, 60} { // lines of the first file, of 60
			t.Run(fmt.Sprintf("%s %d", glob, read), func(t *testing.T) {
				f := newFixture(t, glob).real()
				f.write("app.log", lines("a", 0, read))
				h := f.byHand(t)
				time.Sleep(clockTick)
				want := lines("a", 0, 60)
				f.write("app.log", lines("a", read, 60))
				f.rotateCopy("app.log", "app.log.4")
				for i, name := range []string{"app.log.3", "app.log.2", "app.log.1"} {
					text := lines(name, 0, []int{400, 1, 30}[i])
					want += text
					f.write("app.log", text)
					f.rotateCopy("app.log", name)
				}
				f.write("app.log", lines("e", 0, 40))
				want += lines("e", 0, 40)
				h.wants(f, want)
				time.Sleep(clockTick)
				f.check(os.Truncate(f.path("app.log"), 0))
				h.look()
				f.write("app.log", lines("f", 0, 40))
				h.wants(f, want+lines("f", 0, 40))
			})
		}
	}
}

// rotateCopy copies, truncates and compresses.
func (f *fixture) rotateCopy(name, to string) {
	f.t.Helper()
	f.copyTruncate(name, to)
	f.pack(to, to+".gz")
}

// TestCompressedCopyWithoutTheLastLines: what was read between the copy and the truncation is not in the copy, which so is not
// found by what was read. It is not read again.
func TestCompressedCopyWithoutTheLastLines(t *testing.T) {
	for _, size := range []int{1, 100} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			f := newFixture(t, "app.log").real()
			f.write("app.log", lines("a", 0, size))
			h := f.byHand(t)
			time.Sleep(clockTick)
			f.copyFile("app.log", "app.log.1")
			f.write("app.log", lines("a", size, 110))
			h.look()
			f.check(os.Truncate(f.path("app.log"), 0))
			f.pack("app.log.1", "app.log.1.gz")
			h.wants(f, lines("a", 0, 110))
			f.write("app.log", lines("b", 0, 10))
			h.wants(f, lines("a", 0, 110)+lines("b", 0, 10))
		})
	}
}

// TestCompressedCopyIsLetGo has a copy compressed and deleted when all of it was read. It is not read again
// when the next lines come to the file that it was made of.
func TestCompressedCopyIsLetGo(t *testing.T) {
	f := newFixture(t, "app.log").real()
	f.write("app.log", lines("a", 0, 60))
	h := f.byHand(t)
	time.Sleep(clockTick)
	f.write("app.log", lines("a", 60, 70))
	f.copyTruncate("app.log", "app.log.1")
	h.wants(f, lines("a", 0, 70))
	copied := h.lineages[f.path("app.log")].generations[0]
	time.Sleep(clockTick)
	f.pack("app.log.1", "app.log.1.gz")
	h.mu.Lock()
	copied.linked = false
	h.mu.Unlock()
	h.letGo(t.Context(), copied)
	h.run(nil)
	if !copied.past {
		t.Fatal("the copy is not let go")
	}
	f.write("app.log", lines("b", 0, 10))
	h.wants(f, lines("a", 0, 70)+lines("b", 0, 10))
}

// TestCompressedCopyBeforeTheTruncation: a copy of what is in the file still is not read, though it is compressed.
func TestCompressedCopyBeforeTheTruncation(t *testing.T) {
	f := newFixture(t, "app.log").real()
	f.write("app.log", "")
	h := f.byHand(t)
	time.Sleep(clockTick)
	f.write("app.log", lines("a", 0, 60))
	f.copyFile("app.log", "app.log.1")
	f.pack("app.log.1", "app.log.1.gz")
	h.wants(f, lines("a", 0, 60))
	f.check(os.Truncate(f.path("app.log"), 0))
	f.write("app.log", lines("b", 0, 10))
	h.wants(f, lines("a", 0, 60)+lines("b", 0, 10))
}

// TestCopyIsCompressedBeforeItIsRead has a copy of what nobody had read compressed when it is known, and not opened yet. The
// file that it was made of, which comes after it, is older.
func TestCopyIsCompressedBeforeItIsRead(t *testing.T) {
	for _, glob := range []string{"app.log", "app.log*"} {
		t.Run(glob, func(t *testing.T) {
			f := newFixture(t, glob).real()
			f.write("app.log", "")
			h := f.byHand(t)
			l := h.lineages[f.path("app.log")]
			time.Sleep(clockTick)
			f.write("app.log", lines("a", 0, 60))
			f.copyTruncate("app.log", "app.log.1")
			f.write("app.log", lines("b", 0, 10))
			h.readFirst(l.current)
			if len(l.generations) != 2 || l.generations[0].position > 0 {
				t.Fatal("the copy is not known, or was read already")
			}
			f.pack("app.log.1", "app.log.1.gz")
			time.Sleep(clockTick) // so that the next scan is later by the clock of file times
			h.wants(f, lines("a", 0, 60)+lines("b", 0, 10))
		})
	}
}

// TestCopyIsCompressedWhileItIsLookedAt has a copy be removed as it is opened, because what it was compressed to is complete. That
// was begun before anybody looked for copies, and yet holds what nobody has read.
func TestCopyIsCompressedWhileItIsLookedAt(t *testing.T) {
	for _, read := range []int{0, 50} {
		t.Run(fmt.Sprint(read), func(t *testing.T) {
			f := newFixture(t, "app.log").real()
			f.write("app.log", lines("a", 0, read))
			h := f.byHand(t)
			time.Sleep(clockTick)
			f.write("app.log", lines("a", read, 60))
			f.copyTruncate("app.log", "app.log.2")
			f.write("app.log", lines("b", 0, 10))
			f.copyTruncate("app.log", "app.log.1")
			f.write("app.log.1.gz", "")
			f.write("app.log", lines("c", 0, 10))
			time.Sleep(clockTick)
			h.cfg.open = func(path string) (*os.File, error) {
				if path == f.path("app.log.1") {
					h.cfg.open = openFile
					f.pack("app.log.1", "app.log.1.gz")
				}
				return openFile(path)
			}
			h.wants(f, lines("a", 0, 60)+lines("b", 0, 10)+lines("c", 0, 10))
		})
	}
}

// TestCompressedCopyAfterAnotherOneWasGone has a copy, all of which was read, be compressed and deleted, and then the file be copied,
// truncated and compressed again. It is forgotten before anybody looks at the file, be it at its end or because another file has its
// inode. What the second copy holds is read.
func TestCompressedCopyAfterAnotherOneWasGone(t *testing.T) {
	for _, superseded := range []bool{false, true} {
		t.Run(fmt.Sprintf("superseded=%v", superseded), func(t *testing.T) {
			f := newFixture(t, "app.log").real()
			f.write("app.log", lines("a", 0, 60))
			h := f.byHand(t)
			time.Sleep(clockTick)
			f.write("app.log", lines("a", 60, 70))
			f.copyTruncate("app.log", "app.log.1")
			h.wants(f, lines("a", 0, 70))
			copied := h.lineages[f.path("app.log")].generations[0]
			if superseded {
				h.close(copied)
			}
			f.pack("app.log.1", "app.log.2.gz")
			time.Sleep(clockTick)
			gone := fileClock()
			h.poll(t.Context(), now().Add(h.cfg.PollInterval))
			h.run(nil)
			time.Sleep(clockTick)
			f.write("app.log", lines("b", 0, 20))
			f.rotateCopy("app.log", "app.log.1")
			f.write("app.log", lines("c", 0, 10))
			time.Sleep(clockTick)
			if superseded {
				other := identity{inode: copied.id.inode, born: gone}
				h.identify(t.Context(), f.path("other.log"), fileStat{identity: other})
			} else {
				h.mu.Lock()
				copied.linked = false
				h.mu.Unlock()
				h.letGo(t.Context(), copied)
				h.commits.Wait()
				h.handleKick(t.Context())
			}
			if !copied.orphaned {
				t.Fatal("the first copy is not let go")
			}
			h.wants(f, lines("a", 0, 70)+lines("b", 0, 20)+lines("c", 0, 10))
		})
	}
}
