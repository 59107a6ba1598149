package tail

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/logscribe/logscribe/spool"
)

// slowSpool takes some time for each Append, and gives up when the context ends before that.
type slowSpool struct {
	Spool
	delay time.Duration
}

func (s slowSpool) Append(ctx context.Context, b spool.Batch) error {
	select {
	case <-time.After(s.delay):
		return s.Spool.Append(ctx, b)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestStopRightAfterAFileWasFound stops a source before the first checkpoint of what it has found is stored. What is rotated
// away after that must not be taken for something that was there before.
func TestStopRightAfterAFileWasFound(t *testing.T) {
	for _, first := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, "app.log").blind()
			if first {
				f.write("app.log", lines("a", 0, 10))
			}
			f.cfg.Spool = slowSpool{f.spool, lastChance - time.Millisecond}
			f.up()
			f.scans(1)
			f.down()
			f.write("app.log", lines("a", 10, 20))
			f.rename("app.log", "app.log.1")
			f.write("app.log", lines("b", 0, 10))
			f.up()
			if first {
				f.wantsOnly(lines("a", 0, 20) + lines("b", 0, 10))
			} else {
				f.wantsOnly(lines("a", 10, 20) + lines("b", 0, 10))
			}
		})
	}
}

// nextTick waits until files get another time, also in a test with a clock of its own.
func nextTick() {
	for from := fileClock(); fileClock() == from; {
	}
}

// stuckSpool never stores a first checkpoint of the path, and gives up when the context ends.
type stuckSpool struct {
	Spool
	path string
}

func (s stuckSpool) Append(ctx context.Context, b spool.Batch) error {
	for _, c := range b.Checkpoints {
		if bytes.Contains(c.Value, []byte(s.path)) {
			<-ctx.Done()
			return ctx.Err()
		}
	}
	return s.Spool.Append(ctx, b)
}

// TestKilledBeforeAFileIsKnown finds a new file, and another one is forgotten before the checkpoint of the new one is stored.
// What was rotated away after that must not be taken for something that was there before.
func TestKilledBeforeAFileIsKnown(t *testing.T) {
	f := newFixture(t, "app.log", "other.log")
	f.write("other.log", "")
	synctest.Test(t, func(t *testing.T) {
		s, _ := f.scanned()
		s.cfg.Spool = stuckSpool{f.spool, f.path("app.log")}
		work, kill := context.WithCancel(t.Context())
		nextTick()
		f.write("app.log", lines("a", 0, 10))
		s.scan(work)
		nextTick()
		other := s.byName[f.path("other.log")]
		f.remove("other.log")
		s.scan(work)
		s.forget(work, other)
		synctest.Wait()
		kill()
		s.commits.Wait()
	})
	f.cfg.stat = nil
	f.rename("app.log", "app.log.1")
	f.write("app.log", lines("b", 0, 10))
	f.up()
	f.wantsOnly(lines("a", 0, 10) + lines("b", 0, 10))
}

// forgets has a source that nobody runs let go of a file, and forget it after another scan, if it can. That stores up to when it has
// seen all there was.
func (f *fixture) forgets(s *Source, ctx context.Context, name string) {
	f.t.Helper()
	g := s.byName[f.path(name)]
	f.remove(name)
	s.scan(ctx)
	s.forget(ctx, g)
	stored := func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.registrations) == 0 }
	f.eventually(stored)
	s.handleKick(ctx)
	s.scan(ctx)
	f.eventually(stored)
}

// TestKilledWhileAFileIsLookedInto has a file come, be rotated away and be compressed between two looks. Another one is forgotten
// while it is found out what is in the compressed one, and then the source is killed.
func TestKilledWhileAFileIsLookedInto(t *testing.T) {
	f := newFixture(t, "app.log", "other.log")
	f.write("other.log", "")
	f.write("app.log", lines("a", 0, 10))
	time.Sleep(clockTick) // a scan must be younger than what is forgotten
	f.up()
	f.wants("app", lines("a", 0, 10))
	f.down()
	work, kill := context.WithCancel(t.Context())
	opening := make(chan struct{})
	f.cfg.open = func(path string) (*os.File, error) {
		if packed(path) {
			<-opening
		}
		return openFile(path)
	}
	s, _ := f.scanned()
	f.cfg.open, f.cfg.stat = nil, nil
	time.Sleep(clockTick)
	f.rename("app.log", "app.log.2")
	f.write("app.log", lines("b", 0, 10))
	f.pack("app.log", "app.log.1.gz")
	f.write("app.log", lines("c", 0, 10))
	s.scan(work)
	time.Sleep(clockTick)
	f.forgets(s, work, "other.log")
	kill()
	close(opening)
	s.commits.Wait()
	f.up()
	f.wantsOnly(lines("a", 0, 10) + lines("b", 0, 10) + lines("c", 0, 10))
}

// refusingSpool refuses a batch as often as it is told to.
type refusingSpool struct {
	Spool
	refuses func(spool.Batch) bool
}

func (s refusingSpool) Append(ctx context.Context, b spool.Batch) error {
	if s.refuses(b) {
		return errSpool
	}
	return s.Spool.Append(ctx, b)
}

// TestSightsAreStoredInTheirOrder has the spool refuse the removal of a forgotten file, until another one is forgotten after a
// later scan. The time up to which all was seen by then must be the one that stays.
func TestSightsAreStoredInTheirOrder(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("one.log", "")
	f.write("two.log", "")
	time.Sleep(clockTick)
	synctest.Test(t, func(t *testing.T) {
		s, _ := f.scanned()
		one, two := s.byName[f.path("one.log")], s.byName[f.path("two.log")]
		var refused atomic.Bool
		s.cfg.Spool = refusingSpool{f.spool, func(b spool.Batch) bool {
			removed := slices.ContainsFunc(b.Checkpoints, func(c spool.Checkpoint) bool { return c.Key == checkpointKey(one.id.inode) && c.Value == nil })
			return removed && refused.CompareAndSwap(false, true)
		}}
		f.remove("one.log")
		f.remove("two.log")
		s.scan(t.Context())
		s.forget(t.Context(), one)
		synctest.Wait()
		if !refused.Load() {
			t.Fatal("the removal was not refused")
		}
		nextTick()
		s.drop(two)
		s.erase(t.Context(), two)
		s.scan(t.Context())
		s.commits.Wait()
		if got, want := f.spool.checkpoints[startedKey], s.saw.checkpoint().Value; !bytes.Equal(got, want) {
			t.Errorf("%x is stored, want %x", got, want)
		}
	})
}

// TestStopSaysWhatIsUnknown has a spool that takes nothing: a stop does not wait for it for long, and says what that may cost.
// What was rotated away before the first start is never read anyhow.
func TestStopSaysWhatIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "app.log").blind()
		f.write("app.log.1", "old\n")
		f.write("app.log", lines("a", 0, 10))
		f.cfg.Spool = slowSpool{f.spool, time.Hour}
		f.up()
		f.scans(1)
		began := time.Now()
		f.down()
		if took := time.Since(began); took != lastChance {
			t.Errorf("the stop took %v, want %v", took, lastChance)
		}
		if !strings.Contains(f.logged.String(), "files=1") {
			t.Error("nothing was said")
		}
	})
}

// TestStopKnowsATruncatedFile though its new beginning is not stored.
func TestStopKnowsATruncatedFile(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	s, _ := f.scanned()
	work, kill := context.WithCancel(t.Context())
	f.spool.do(func() { f.spool.blocked = make(chan struct{}) })
	s.restart(work, s.byName[f.path("app.log")], nil, nil, 0)
	if s.sayUnknown(); !s.registering() || strings.Contains(f.logged.String(), "files=") {
		t.Error("it counts as unknown")
	}
	kill()
	s.commits.Wait()
}

// TestRotatedFileOfTheFirstStartIsNeverRead has a file that was rotated away before the first start get lines after it, as the
// event of that tells.
func TestRotatedFileOfTheFirstStartIsNeverRead(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log.1", "old\n")
	f.write("app.log", "new\n")
	s, _ := f.scanned()
	f.write("app.log.1", "late\n")
	s.handle(t.Context(), fsnotify.Event{Name: f.path("app.log.1"), Op: fsnotify.Write})
	for range s.ready {
		if g := s.next(); g.name != f.path("app.log") {
			t.Errorf("%s is to be read", g.name)
		}
	}
}
