package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// knownAndGone has a source know a file at app.log of which nothing was read, for it was empty. It is gone then, and its inode
// is no other's.
func (f *fixture) knownAndGone() {
	f.t.Helper()
	f.write("app.log", "")
	f.up()
	f.known(1)
	f.down()
	f.rename("app.log", "elsewhere")
	time.Sleep(clockTick)
}

// TestUnreadFileIsNotFoundInALaterOne: what is compressed long after a file of which nothing was read was gone is not made of
// it. It is read in its own place, behind a file that was there between them.
func TestUnreadFileIsNotFoundInALaterOne(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.knownAndGone()
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.down()
		f.write("app.log", lines("a", 50, 90))
		f.rename("app.log", "app.log.2")
		time.Sleep(clockTick)
		f.write("app.log", lines("b", 0, 30))
		f.pack("app.log", "app.log.1.gz")
		time.Sleep(clockTick)
		f.write("app.log", lines("c", 0, 30))
		f.up()
		f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 30) + lines("c", 0, 30))
	})
}

// TestUnreadFileIsTheNewest: where no newer file is known, what came and was compressed since is read in its own place, too,
// behind a file that came before it.
func TestUnreadFileIsTheNewest(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.knownAndGone()
		f.write("app.log.2", lines("a", 0, 50))
		time.Sleep(clockTick)
		f.write("app.log", lines("b", 0, 30))
		f.pack("app.log", "app.log.1.gz")
		time.Sleep(clockTick)
		f.write("app.log", lines("c", 0, 30))
		f.up()
		f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 30) + lines("c", 0, 30))
	})
}

// TestUnreadFileIsNotFoundInAForgottenOne: nor is what was read and is forgotten, be it in this run or in the last one.
func TestUnreadFileIsNotFoundInAForgottenOne(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.cfg.Grace = 10 * time.Millisecond
		f.knownAndGone()
		f.write("app.log", lines("a", 0, 50))
		a, err := statPath(f.path("app.log"))
		f.check(err)
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.pack("app.log", "app.log.1.gz") // while it is open
		time.Sleep(clockTick)
		f.write("app.log", lines("b", 0, 30))
		want := lines("a", 0, 50) + lines("b", 0, 30)
		f.wants("app", want)
		past := func() (ok bool) {
			f.spool.do(func() { ok = f.spool.checkpoints[orphanKey(a.identity)] != nil })
			return ok
		}
		if !f.eventually(past) {
			t.Fatal("it is not let go")
		}
		f.rename("app.log", "app.log.0")
		f.write("app.log", lines("c", 0, 30))
		want += lines("c", 0, 30)
		f.wantsOnly(want)
		f.down()
		f.rename("app.log", "app.log.00")
		f.write("app.log", lines("d", 0, 30))
		f.up()
		f.wantsOnly(want + lines("d", 0, 30))
	})
}

// TestUnreadFileIsNotFoundInOneThatIsRead: a file was made in the very tick in which the one before it was last written to. That
// is compressed, and still open; so it is not what the other was compressed to, whether that is there or not.
func TestUnreadFileIsNotFoundInOneThatIsRead(t *testing.T) {
	for _, there := range []bool{true, false} {
		t.Run(fmt.Sprintf("there=%v", there), func(t *testing.T) {
			f := newFixture(t, "app.log")
			f.write("app.log", lines("a", 0, 50))
			h := f.byHand(t)
			l := h.lineages[f.path("app.log")]
			time.Sleep(clockTick)
			f.rename("app.log", "app.log.2")
			f.write("app.log", "")
			h.settle(t.Context(), l) // and nobody looks into the new one
			h.commits.Wait()
			f.pack("app.log.2", "app.log.2.gz")
			tick := time.Unix(0, l.current.mtime)
			f.check(os.Chtimes(f.path("app.log.2.gz"), tick, tick))
			time.Sleep(clockTick)
			want := lines("a", 0, 50) + "newer\n"
			f.write("app.log", lines("b", 0, 30))
			f.shift(0)
			if there {
				f.pack("app.log.1", "app.log.1.gz")
				want = lines("a", 0, 50) + lines("b", 0, 30) + "newer\n"
			} else {
				f.rename("app.log.1", "elsewhere")
			}
			h.settle(t.Context(), l)
			h.run(nil)
			h.wants(f, want)
		})
	}
}

// TestPlaceIsReadWhenItsPathIsSettled: a compressed file takes the place of one that was unread while an older one, which has
// grown, is still asleep. It is not read before that is awake.
func TestPlaceIsReadWhenItsPathIsSettled(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", lines("a", 0, 50))
	f.up()
	f.wants("app", lines("a", 0, 50))
	f.rename("app.log", "app.log.2")
	f.write("app.log", "")
	f.known(2)
	f.down()
	f.write("app.log.2", lines("a", 50, 90))
	f.write("app.log", lines("b", 0, 30))
	f.pack("app.log", "app.log.1.gz")
	f.write("app.log", lines("c", 0, 30))
	h := f.notScanned(t)
	l := h.lineages[f.path("app.log")]
	_, siblings := h.collect(l)
	unread := l.generations[1]
	for _, sib := range siblings {
		if sib.packed() {
			h.replace(t.Context(), unread, h.successor(unread, sib))
		}
	}
	h.commits.Wait()
	h.readFirst(l.generations[1])
	if got := f.spool.log("app"); got != lines("a", 0, 50) {
		t.Errorf("log is %q before the path is settled", got)
	}
	h.wants(f, lines("a", 0, 90)+lines("b", 0, 30)+lines("c", 0, 30))
}

// TestUnreadFileIsWrittenToBehindTheNext: the next file is made before the writer is told to go on there, as by logrotate's
// create. What it has written until then is read in its place, also if that is compressed before anybody has read it, and
// whether anything was written to the next file since or not.
func TestUnreadFileIsWrittenToBehindTheNext(t *testing.T) {
	t.Parallel()
	t.Run("next", func(t *testing.T) { writtenToBehindTheNext(t, lines("c", 0, 30)) })
	t.Run("empty", func(t *testing.T) { writtenToBehindTheNext(t, "") })
}

func writtenToBehindTheNext(t *testing.T, next string) {
	t.Parallel()
	f := newFixture(t, "app.log")
	f.cfg.chunk, f.cfg.MaxLine = 300, 100
	f.write("app.log", lines("a", 0, 50))
	f.up()
	f.wants("app", lines("a", 0, 50))
	empty := f.fullSpool()
	f.write("app.log", lines("a", 50, 90))
	f.rename("app.log", "app.log.2")
	f.write("app.log", lines("b", 0, 30))
	f.known(2)
	f.rename("app.log", "app.log.1")
	f.write("app.log", "")
	time.Sleep(2 * clockTick)
	f.write("app.log.1", lines("b", 30, 40))
	f.known(3)
	f.write("app.log", next)
	f.down()
	f.rename("app.log.2", "app.log.3")
	f.pack("app.log.1", "app.log.2.gz")
	if next != "" {
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("d", 0, 30))
		next += lines("d", 0, 30)
	}
	empty()
	f.up()
	f.wants("app", lines("a", 0, 90)+lines("b", 0, 40)+next)
}

// TestUnreadFileIsCompressedByACoarseClock: some tools give the compressed file the time of what is in it in mere seconds or
// microseconds.
func TestUnreadFileIsCompressedByACoarseClock(t *testing.T) {
	t.Parallel()
	for _, unit := range []time.Duration{time.Nanosecond, time.Microsecond, time.Second} {
		t.Run(unit.String(), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "app.log")
			empty := f.fullSpool()
			f.write("app.log", lines("a", 0, 50))
			f.up()
			f.known(1)
			f.scans(2)
			f.down()
			st, err := os.Stat(f.path("app.log"))
			f.check(err)
			f.pack("app.log", "app.log.1.gz")
			coarse := st.ModTime().Truncate(unit)
			f.check(os.Chtimes(f.path("app.log.1.gz"), coarse, coarse))
			time.Sleep(time.Until(coarse.Add(time.Second + clockTick))) // the next file is of the next second
			f.write("app.log", lines("b", 0, 30))
			empty()
			f.up()
			f.wants("app", lines("a", 0, 50)+lines("b", 0, 30))
		})
	}
}
