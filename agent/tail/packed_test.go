package tail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/logscribe/logscribe/spool"
)

// pack compresses a file as gzip and zstd do: the result has the times of the file, which is removed.
func (f *fixture) pack(from, to string) {
	f.t.Helper()
	text, err := os.ReadFile(f.path(from))
	f.check(err)
	info, err := os.Stat(f.path(from))
	f.check(err)
	var buf bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&buf)
	if strings.HasSuffix(to, ".zst") {
		w, err = zstd.NewWriter(&buf)
		f.check(err)
	}
	_, err = w.Write(text)
	f.check(err)
	f.check(w.Close())
	f.check(os.WriteFile(f.path(to), buf.Bytes(), 0o644))
	f.check(os.Chtimes(f.path(to), info.ModTime(), info.ModTime()))
	f.remove(from)
}

// The rest of a file that was rotated and compressed while nothing was running comes out of the compressed file.
func TestCompressedWhileDown(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".gz", ".zst"} {
		t.Run(ext, func(t *testing.T) {
			everyGlob(t, func(t *testing.T, f *fixture) {
				f.cfg.chunk, f.cfg.MaxLine = 300, 100
				f.write("app.log", lines("a", 0, 50))
				f.up()
				f.wants("app", lines("a", 0, 50))
				f.down()
				f.write("app.log", lines("a", 50, 90)+"unfinished")
				f.pack("app.log", "app.log.2"+ext)
				f.write("app.log", lines("b", 0, 30)) // nobody ever sees it as it is
				f.pack("app.log", "app.log.1"+ext)
				f.write("app.log", lines("c", 0, 30))
				want := lines("a", 0, 90) + "unfinished\n" + lines("b", 0, 30) + lines("c", 0, 30)
				f.up()
				f.wantsOnly(want)
				f.rename("app.log.2"+ext, "app.log.3"+ext)
				f.rename("app.log.1"+ext, "app.log.2"+ext)
				f.rename("app.log", "app.log.1")
				f.pack("app.log.1", "app.log.1"+ext) // its lines were read
				f.write("app.log", lines("d", 0, 3))
				f.wantsOnly(want + lines("d", 0, 3))
				f.down()
				f.up()
				f.wantsOnly(want + lines("d", 0, 3))
			})
		})
	}
}

// Files that were found while the spool was full, and of which nothing was read before they were compressed.
func TestCompressedUnread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ down, reuse bool }{{true, false}, {true, true}, {false, false}} {
		t.Run(fmt.Sprintf("down=%v,reuse=%v", c.down, c.reuse), func(t *testing.T) {
			everyGlob(t, func(t *testing.T, f *fixture) {
				f.cfg.chunk, f.cfg.MaxLine = 300, 100
				f.write("app.log", lines("a", 0, 50))
				f.up()
				f.wants("app", lines("a", 0, 50))
				empty := f.fullSpool()
				f.write("app.log", lines("a", 50, 90))
				f.rename("app.log", "app.log.2")
				f.write("app.log", lines("b", 0, 30))
				f.known(2)
				f.scans(2)
				f.rename("app.log", "app.log.1")
				f.write("app.log", lines("c", 0, 30))
				f.known(3)
				f.scans(2)
				if c.down {
					f.down()
				}
				want := lines("a", 0, 90) + lines("b", 0, 30) + lines("c", 0, 30)
				f.pack("app.log.2", "app.log.2.gz")
				f.pack("app.log.1", "app.log.1.gz")
				if c.reuse { // their inodes are those of others
					for i := range 5 {
						f.write(fmt.Sprintf("other%d.log", i), "of no concern\n")
						f.write(fmt.Sprintf("app.log-2026010%d", i), "of no concern\n")
						f.remove(fmt.Sprintf("app.log-2026010%d", i))
					}
				}
				if !c.down {
					f.scans(3)
				}
				empty()
				if c.down {
					f.up()
				}
				f.wantsOnly(want)
				f.rename("app.log", "app.log.0")
				f.write("app.log", lines("d", 0, 3))
				f.wantsOnly(want + lines("d", 0, 3))
				f.down()
				f.up()
				f.wantsOnly(want + lines("d", 0, 3))
			})
		})
	}
}

// TestUnreadFilesWaitForCompressedOnes has files of which nothing was read follow on compressed ones, one of which must be
// looked for first: they must not be read before it is known where the others are.
func TestUnreadFilesWaitForCompressedOnes(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.cfg.chunk, f.cfg.MaxLine = 300, 100
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		empty := f.fullSpool()
		f.write("app.log", lines("a", 50, 90))
		want := lines("a", 0, 90)
		for i, name := range []string{"b", "c", "d", "e"} {
			f.rename("app.log", fmt.Sprint("app.log-2026010", i))
			f.write("app.log", lines(name, 0, 30))
			want += lines(name, 0, 30)
			f.known(i + 2)
			f.scans(2)
		}
		f.down()
		f.pack("app.log-20260100", "app.log-20260100.gz") // read in part
		f.pack("app.log-20260101", "app.log-20260101.gz") // not read, as those behind it
		f.pack("app.log-20260102", "app.log-20260102.gz")
		empty()
		f.up()
		f.wantsOnly(want)
	})
}

// TestCompressedBetweenAnyTwoLooks rotates a file, of which a part was read before, between any two looks at its path after a
// start, and compresses it at once. One that is rotated after it was found at its path, and before it is looked for elsewhere,
// is compressed at one of the next looks. Beside it are a file that was rotated before, and a compressed one whose content
// nobody knows.
func TestCompressedBetweenAnyTwoLooks(t *testing.T) {
	test := func(rotated, packed int) {
		t.Run(fmt.Sprintf("rotated=%d,packed=%d", rotated, packed), func(t *testing.T) {
			t.Parallel()
			testCompressedBetweenLooks(t, rotated, packed)
		})
	}
	for look := range 8 {
		test(look, look)
	}
	for packed := range 5 {
		test(3, 4+packed)
	}
}

func testCompressedBetweenLooks(t *testing.T, rotated, packed int) {
	f := newFixture(t, "app.log")
	f.write("app.log.3", lines("unknown", 0, 50))
	f.pack("app.log.3", "app.log.3.gz")
	time.Sleep(clockTick) // or it might be one that came since the start
	f.write("app.log", lines("old", 0, 50))
	f.up()
	want := lines("old", 0, 50)
	f.wants("app", want)
	f.rename("app.log", "app.log.2")
	f.write("app.log", lines("a", 0, 50))
	f.wants("app", want+lines("a", 0, 50))
	f.down()
	f.write("app.log", lines("a", 50, 90))
	var mu sync.Mutex
	looks := 0
	f.cfg.stat = func(path string) (fileStat, error) {
		mu.Lock()
		defer mu.Unlock()
		if path == f.path("app.log") || path == f.path("app.log.1") && looks > rotated {
			if looks == 0 {
				time.Sleep(clockTick) // a file of the same tick as the start counts as made before
			}
			if looks == rotated {
				f.rename("app.log", "app.log.1")
				f.write("app.log", lines("b", 0, 30))
			}
			if looks == packed {
				f.pack("app.log.1", "app.log.1.gz")
			}
			looks++
		}
		return statPath(path)
	}
	f.up()
	f.wantsOnly(want + lines("a", 0, 90) + lines("b", 0, 30))
}

// TestTruncatedBesideAFileThatIsBeingOpened has a file be found truncated while a worker is about to open an older one, of which
// nothing was read, and which was compressed a moment ago.
func TestTruncatedBesideAFileThatIsBeingOpened(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	h := f.inHand(t)
	l := h.lineages[f.path("app.log")]
	f.shift(0)
	h.settle(t.Context(), l)
	h.commits.Wait()
	older, newer := l.generations[0], l.generations[1]
	h.hold(older)
	f.pack("app.log.1", "app.log.1.gz")
	h.cutShort(newer, beginning{})
	h.handleKick(t.Context())
	h.release(older, false)
	h.wants(f, "one\nnewer\n")
}

// TestCompressedAfterItWasLookedFor has a file of which a part was read be gone when it is looked for, come back, and be
// compressed then. What it had been looked for in before tells nothing any more.
func TestCompressedAfterItWasLookedFor(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log.3", lines("unknown", 0, 50))
	f.pack("app.log.3", "app.log.3.gz")
	time.Sleep(clockTick) // or it might be one that came since the start
	f.write("app.log", lines("a", 0, 50))
	f.up()
	f.wants("app", lines("a", 0, 50))
	f.down()
	f.write("app.log", lines("a", 50, 90))
	h := f.inHand(t)
	l, g := h.lineages[f.path("app.log")], h.next()
	f.rename("app.log", "elsewhere")
	f.write("app.log", lines("b", 0, 30))
	h.settle(t.Context(), l)
	h.readNow(g)
	h.handleKick(t.Context())
	if g.inside != nil || !g.dormant {
		t.Fatal("it was not looked for, or was found")
	}
	f.rename("elsewhere", "app.log.1")
	h.settle(t.Context(), l)
	f.pack("app.log.1", "app.log.1.gz")
	h.settle(t.Context(), l)
	if g.inside == nil {
		t.Error("it is not looked for any more")
	}
}

// TestOpenedWhileItIsLookedFor has a worker open a file right before that is compressed and looked for. Its lines are read there,
// and the compressed file does not take its place while they are on their way to the spool.
func TestOpenedWhileItIsLookedFor(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", lines("a", 0, 50))
	f.up()
	f.wants("app", lines("a", 0, 50))
	f.down()
	f.write("app.log", lines("a", 50, 90))
	h := f.inHand(t)
	l, g := h.lineages[f.path("app.log")], h.next()
	file, err := os.Open(f.path("app.log"))
	f.check(err)
	f.pack("app.log", "app.log.1.gz")
	f.write("app.log", lines("b", 0, 30))
	h.settle(t.Context(), l)
	_, err = h.adopt(t.Context(), g, file, f.path("app.log"))
	f.check(err)
	h.readNow(g)
	h.handleKick(t.Context())
	if l.generations[0] != g || g.inside != nil || g.state != queued {
		t.Error("it is not read on")
	}
}

// TestCompressedWhileItsLinesAreUnderWay has a file be compressed that was closed for an error while its lines are on their way
// to the spool, which is full. Where they end is not stored in the name of the compressed file before they are.
func TestCompressedWhileItsLinesAreUnderWay(t *testing.T) {
	for _, opened := range []bool{false, true} { // when it is looked for
		t.Run(fmt.Sprintf("opened=%v", opened), func(t *testing.T) {
			f := newFixture(t, "app.log")
			f.write("app.log", lines("a", 0, 50))
			f.up()
			f.wants("app", lines("a", 0, 50))
			f.down()
			f.write("app.log", lines("a", 50, 90))
			s, _ := f.scanned()
			l, g, r := s.lineages[f.path("app.log")], s.next(), &reader{source: s}
			file, err := os.Open(f.path("app.log"))
			f.check(err)
			work, kill := context.WithCancel(t.Context())
			f.spool.do(func() { f.spool.blocked, f.spool.full = make(chan struct{}), true })
			f.pack("app.log", "app.log.1.gz")
			f.write("app.log", lines("b", 0, 30))
			if opened {
				s.settle(work, l)
			}
			inside := g.inside
			g.inside = nil // as it was when the worker asked
			_, err = s.adopt(work, g, file, f.path("app.log"))
			f.check(err)
			r.read(work, g)
			s.failedRead(g, io.ErrUnexpectedEOF)
			g.inside = inside
			s.release(g, false)
			for range 3 {
				s.settle(work, l)
				for range len(s.ready) {
					ready := s.next()
					s.release(ready, r.read(work, ready))
				}
				s.handleKick(work)
			}
			if !f.eventually(func() bool { return !s.registering() }) {
				t.Fatal("what was found is not stored")
			}
			kill()
			s.commits.Wait()
			f.spool.do(func() { f.spool.blocked = nil })
			f.cfg.stat = nil
			f.up()
			f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 30))
		})
	}
}

// TestNobodyWaitsForWhatIsLookedForNoMore has a file be looked for in a compressed one while a worker is about to open it, and a
// reload leave it without a section, or its inode be another file's. Deleted files are not let go before it is known what
// compressed ones hold.
func TestNobodyWaitsForWhatIsLookedForNoMore(t *testing.T) {
	for _, reload := range []bool{true, false} {
		for _, late := range []bool{true, false} { // the worker is at it already
			t.Run(fmt.Sprintf("reload=%v,late=%v", reload, late), func(t *testing.T) {
				f := newFixture(t, "app.log")
				f.write("app.log", lines("a", 0, 50))
				f.up()
				f.wants("app", lines("a", 0, 50))
				f.down()
				f.write("app.log", lines("a", 50, 90))
				h := f.inHand(t)
				l, g := h.lineages[f.path("app.log")], h.next()
				f.pack("app.log", "app.log.1.gz")
				h.settle(t.Context(), l)
				asked := g.inside
				if h.looking != 1 || asked == nil {
					t.Fatal("it is not looked for")
				}
				if reload {
					h.sections = nil
					h.redirect()
				} else {
					h.drop(g)
				}
				if late {
					h.reader.lookInto(t.Context(), g, asked)
				}
				h.release(g, false)
				h.run(nil)
				if h.looking != 0 {
					t.Errorf("%d are looked for", h.looking)
				}
				if g.inside != nil || g.lookedInside {
					t.Error("it will never be looked for again")
				}
			})
		}
	}
}

// known waits until the spool knows of so many files.
func (f *fixture) known(n int) {
	f.t.Helper()
	if !f.eventually(func() bool { return len(f.checkpoints()) >= n }) {
		f.t.Fatalf("%d files are known, want %d", len(f.checkpoints()), n)
	}
}

// Without a rotated file that is new, nothing is read out of compressed ones.
func TestOldCompressedFilesAreNotRead(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log.3", lines("old", 0, 50))
		f.pack("app.log.3", "app.log.3.gz")
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("b", 0, 50))
		f.wants("app", lines("a", 0, 50)+lines("b", 0, 50))
		f.down()
		f.pack("app.log.1", "app.log.2.gz") // it was read to its end
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 50))
		f.up()
		f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 50) + lines("c", 0, 50))
		f.down()
		f.up()
		f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 50) + lines("c", 0, 50))
	})
}

// copytruncate with compression: the copy itself is gone, too.
func TestCompressedCopy(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.down()
		f.write("app.log", lines("a", 50, 90))
		f.copyTruncate("app.log", "app.log.1")
		f.pack("app.log.1", "app.log.1.gz")
		f.write("app.log", lines("b", 0, 30))
		f.up()
		f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 30))
		f.down()
		f.up()
		f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 30))
	})
}

// A compressed file is younger than what came after it. The source was killed when it knew the one, and not yet the other.
func TestCompressedAfterTheNextFileCame(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.down()
		f.write("app.log", lines("a", 50, 90))
		f.rename("app.log", "app.log.2")
		f.write("app.log", lines("b", 0, 30))
		next, err := statPath(f.path("app.log"))
		f.check(err)
		time.Sleep(clockTick)
		f.pack("app.log.2", "app.log.2.gz")
		empty := f.fullSpool()
		f.up()
		f.known(2)
		f.down()
		empty()
		f.check(f.spool.Append(t.Context(), spool.Batch{Checkpoints: []spool.Checkpoint{{Key: checkpointKey(next.inode)}}}))
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 30))
		f.up()
		f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 30) + lines("c", 0, 30))
	})
}

// A file is being compressed when the source starts, which reads it under its own name. What it is compressed to was begun
// before that start, and yet holds nothing new.
func TestCompressedWhileStarting(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app.log", "app.log.1"} {
		for _, complete := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,complete=%v", name, complete), func(t *testing.T) {
				everyGlob(t, func(t *testing.T, f *fixture) { testCompressedWhileStarting(t, f, name, complete) })
			})
		}
	}
}

func testCompressedWhileStarting(t *testing.T, f *fixture, name string, complete bool) {
	f.write("app.log", lines("a", 0, 50))
	f.up()
	f.wants("app", lines("a", 0, 50))
	f.down()
	f.write("app.log", lines("a", 50, 90))
	want := lines("a", 0, 90)
	if name != "app.log" {
		f.rename("app.log", name)
		f.write("app.log", lines("b", 0, 30))
		want += lines("b", 0, 30)
	}
	info, err := os.Stat(f.path(name))
	f.check(err)
	f.copyFile(name, "same")
	f.pack("same", name+".gz")
	whole, err := os.ReadFile(f.path(name + ".gz"))
	f.check(err)
	if !complete {
		f.check(os.Truncate(f.path(name+".gz"), int64(len(whole)/2)))
		now := time.Now().Add(time.Minute) // when it is looked at it was written to a moment ago
		f.check(os.Chtimes(f.path(name+".gz"), now, now))
	}
	f.up()
	f.wantsOnly(want)
	if !complete {
		f.write(name+".gz", string(whole[len(whole)/2:]))
		f.check(os.Chtimes(f.path(name+".gz"), info.ModTime(), info.ModTime()))
	}
	f.remove(name)
	f.scans(2)
	if name != "app.log" {
		f.rename("app.log", "app.log.0")
	}
	f.write("app.log", lines("c", 0, 3))
	f.wantsOnly(want + lines("c", 0, 3))
	f.down()
	f.up()
	f.wantsOnly(want + lines("c", 0, 3))
}

// TestCollectWhileAFileIsCompressed: the plain file is removed right after a look has found it. It must not seem to be there
// beside the compressed one, whose content would be taken for that of another. Another file may have a new name with each look.
func TestCollectWhileAFileIsCompressed(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("busy=%v", busy), func(t *testing.T) {
			f := newFixture(t, "app.log")
			f.write("app.log.1", "one\n")
			f.copyFile("app.log.1", "same")
			info, err := os.Stat(f.path("app.log.1"))
			f.check(err)
			f.check(os.Chtimes(f.path("same"), info.ModTime(), info.ModTime()))
			f.pack("same", "app.log.1.gz")
			f.write("app.log.2", "two\n")
			looks := 0
			f.cfg.stat = func(path string) (fileStat, error) {
				st, err := statPath(path)
				switch {
				case err == nil && path == f.path("app.log.1"):
					f.remove("app.log.1")
				case busy && path == f.path("app.log"): // a look begins
					f.rename(fmt.Sprintf("app.log.%d", looks+2), fmt.Sprintf("app.log.%d", looks+3))
					looks++
				}
				return st, err
			}
			s, err := New(f.cfg)
			f.check(err)
			_, siblings := s.collect(s.lineageOf(f.path("app.log")))
			if len(siblings) != 2 || !slices.ContainsFunc(siblings, sibling.packed) {
				t.Errorf("siblings: %+v", siblings)
			}
			if busy && looks != 11 {
				t.Errorf("%d looks, want 11", looks)
			}
		})
	}
}

// Copies that the source had looked at, and not yet read when it stopped.
func TestCompressedCopiesUnread(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.cfg.chunk, f.cfg.MaxLine, f.cfg.Grace = 300, 100, 10*time.Millisecond
		f.cfg.Sections = append(f.cfg.Sections, f.section("other", "other"))
		f.write("other", "other\n")
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.wants("other", "other\n")
		f.scans(2)
		empty := f.fullSpool()
		f.write("app.log", lines("a", 50, 90))
		f.scans(2)
		f.copyTruncate("app.log", "app.log.2")
		f.write("app.log", lines("b", 0, 30))
		f.scans(2)
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 30))
		time.Sleep(clockTick)
		f.scans(2)
		f.remove("other") // when it is forgotten, the time is stored up to which all was seen
		if !f.eventually(func() bool {
			return !slices.ContainsFunc(f.checkpoints(), func(c checkpoint) bool { return c.log == "other" })
		}) {
			t.Fatal("it is not forgotten")
		}
		f.down()
		f.pack("app.log.2", "app.log.2.gz")
		f.pack("app.log.1", "app.log.1.gz")
		empty()
		f.up()
		f.wants("app", lines("a", 0, 90)+lines("b", 0, 30)+lines("c", 0, 30))
		f.scans(3)
		f.wants("app", lines("a", 0, 90)+lines("b", 0, 30)+lines("c", 0, 30))
	})
}

// A source that is stopped again and again, at any place, goes on where it was within the compressed file.
func TestCompressedFileIsReadAcrossRestarts(t *testing.T) {
	f := newFixture(t, "app.log").real()
	f.cfg.chunk, f.cfg.MaxLine = 2000, 100
	f.spool.lottery = true
	f.write("app.log", lines("a", 0, 10))
	f.up()
	f.wants("app", lines("a", 0, 10))
	f.down()
	f.write("app.log", lines("a", 10, 20_000))
	f.pack("app.log", "app.log.1.gz")
	f.write("app.log", lines("b", 0, 10))
	restarts := 0
	for want := lines("a", 0, 20_000) + lines("b", 0, 10); f.spool.log("app") != want; restarts++ {
		if got := f.spool.log("app"); !strings.HasPrefix(want, got) || restarts == 1000 {
			t.Fatalf("after %d restarts: %s", restarts, excerpt(got, want))
		}
		f.up()
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		f.down()
	}
	t.Logf("%d restarts", restarts)
}

// What is before the damage of a compressed file comes; the damage is said and counted.
func TestDamagedCompressedFile(t *testing.T) {
	f := newFixture(t, "app.log").real()
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "line %d %x\n", i, random.Uint64())
	}
	all := text.String()
	f.write("app.log", all[:1000])
	f.up()
	f.wants("app", all[:strings.LastIndexByte(all[:1000], '\n')+1])
	f.down()
	f.write("app.log", all[1000:])
	f.pack("app.log", "app.log.1.gz")
	info, err := os.Stat(f.path("app.log.1.gz"))
	f.check(err)
	f.check(os.Truncate(f.path("app.log.1.gz"), info.Size()/2))
	f.write("app.log", "the next file\n")
	f.up()
	if !f.eventually(func() bool { return strings.HasSuffix(f.spool.log("app"), "the next file\n") }) {
		t.Fatal("the next file is not read")
	}
	got := strings.TrimSuffix(f.spool.log("app"), "\nthe next file\n") // the last line is cut off somewhere
	if !strings.HasPrefix(all, got) || len(got) < len(all)/3 {
		t.Errorf("%d of %d bytes came: %s", len(got), len(all), excerpt(got, all))
	}
	lost := func() bool {
		losses, _ := f.spool.lost()
		return len(losses) == 1 && losses[0].Reason == spool.Compressed && losses[0].Times == 1
	}
	if st := f.source.Stats(); st.Damaged != 1 || !f.eventually(lost) {
		t.Errorf("damaged: %d, losses: %+v", st.Damaged, f.spool.all())
	}
	f.scans(3)
	if n := strings.Count(f.logged.String(), "is damaged"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
}

// TestPackedFile compares reads at random places with those of the plain text.
func TestPackedFile(t *testing.T) {
	f := newFixture(t)
	text := lines("x", 0, 10_000) + strings.Repeat("y", 5000)
	f.write("app.log", text)
	f.pack("app.log", "app.log.gz")
	raw, err := os.Open(f.path("app.log.gz"))
	f.check(err)
	p := &packedFile{raw: raw}
	defer p.Close()
	if p.measure(); p.size != int64(len(text)) || p.damage != io.EOF && p.damage != nil {
		t.Fatalf("size %d, %v; want %d", p.size, p.damage, len(text))
	}
	plain := strings.NewReader(text)
	at := 0
	for range 500 {
		at += rand.IntN(5000) - 500
		if at < 0 || at > len(text) {
			at = rand.IntN(len(text))
		}
		a, b := make([]byte, rand.IntN(4000)), make([]byte, 4000)
		b = b[:len(a)]
		n, aerr := p.ReadAt(a, int64(at))
		m, berr := plain.ReadAt(b, int64(at))
		if n != m || !bytes.Equal(a[:n], b[:m]) || (aerr == nil) != (berr == nil) {
			t.Fatalf("%d bytes at %d: %d, %v; want %d, %v", len(a), at, n, aerr, m, berr)
		}
	}
}

// TestCompressedJustBeforeAStop: a clean stop reads the rest of a file that was compressed since the last scan from its
// descriptor. What it was compressed to must be known for it at the next start.
func TestCompressedJustBeforeAStop(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.real()
		f.cfg.ScanInterval, f.cfg.PollInterval = time.Hour, time.Hour
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.eventually(func() bool { return f.source.Stats().Open == 1 && f.source.scanned.Load() > 0 })
		time.Sleep(clockTick)
		f.write("app.log", lines("a", 50, 90))
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("b", 0, 10))
		f.pack("app.log.1", "app.log.1.gz")
		f.down()
		time.Sleep(clockTick)
		f.rename("app.log.1.gz", "app.log.2.gz")
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 10))
		f.pack("app.log.1", "app.log.1.gz")
		f.cfg.ScanInterval, f.cfg.PollInterval = 10*time.Millisecond, 2*time.Millisecond
		f.up()
		f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 10) + lines("c", 0, 10))
	}, "*.log")
}
