package ship

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// copyFile returns the path of a copy.
func copyFile(t *testing.T, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	overwrite(t, copied, content(t, path))
	return copied
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// overwrite puts other bytes into a file, which stays the same one.
func overwrite(t *testing.T, path string, all []byte) {
	t.Helper()
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// drained waits until the spool is empty.
func (b *bench) drained(t *testing.T) {
	t.Helper()
	b.eventually(t, "the spool is empty", func() bool { return b.spool.Lines() == 0 })
}

// addNumbered adds the lines "prefix from" to "prefix to", each in a block of its own.
func (b *bench) addNumbered(t *testing.T, log, prefix string, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		b.add(t, log, fmt.Sprintf("%s %d\n", prefix, i))
	}
}

// hasOnce fails the test unless the Scribe has the lines of each prefix once, in order, and no others in the log.
func (b *bench) hasOnce(t *testing.T, log string, want map[string]int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := map[string]int{}
	for line := range strings.Lines(string(b.lines[log])) {
		prefix, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if got[prefix]++; number != fmt.Sprint(got[prefix]) {
			t.Fatalf("log %s: line %s of %q comes after %d:\n%s", log, number, prefix, got[prefix]-1, b.lines[log])
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("log %s has %v lines, want %v", log, got, want)
	}
}

// TestCopiesOfASpoolBothShip copies a spool with a backlog and lets both run.
func TestCopiesOfASpoolBothShip(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.addNumbered(t, "log", "shared", 1, 3)
	b.drained(t)
	b.server.Shutdown(0)
	b.addNumbered(t, "log", "shared", 4, 20)
	b.stop()
	copied := copyFile(t, path)
	b.serve(t, b.addr)

	original, clone := b.agent(t, path), b.agent(t, copied)
	for i := range 20 {
		original.addNumbered(t, "log", "original", i+1, i+1)
		clone.addNumbered(t, "log", "clone", i+1, i+1)
		clone.addNumbered(t, "new", "clone", i+1, i+1)
		original.addNumbered(t, "new", "original", i+1, i+1)
	}
	original.drained(t)
	clone.drained(t)
	b.hasOnce(t, "log", map[string]int{"shared": 20, "original": 20, "clone": 20})
	b.hasOnce(t, "new", map[string]int{"original": 20, "clone": 20})
	if original.spool.Stats().Forks != 0 || clone.spool.Stats().Forks != 1 {
		t.Error("not the copy alone has a new producer")
	}
}

// TestCopyOfARunningSpool copies the file under a running agent, which goes on.
func TestCopyOfARunningSpool(t *testing.T) {
	b := start(t)
	b.addNumbered(t, "log", "shared", 1, 5)
	b.drained(t)
	b.server.Shutdown(0)
	b.addNumbered(t, "log", "shared", 6, 10)
	clone := b.agent(t, copyFile(t, b.spool.Path()))
	b.addNumbered(t, "log", "original", 1, 10)
	clone.addNumbered(t, "log", "clone", 1, 30)
	b.serve(t, b.addr)
	b.drained(t)
	clone.drained(t)
	b.addNumbered(t, "log", "original", 11, 20)
	b.drained(t)
	b.hasOnce(t, "log", map[string]int{"shared": 10, "original": 20, "clone": 30})
}

// TestCopyOfACopy has lines of three producers wait in one log.
func TestCopyOfACopy(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	for _, prefix := range []string{"a", "b", "c"} {
		b.start(t, path)
		b.server.Shutdown(0)
		b.addNumbered(t, "log", prefix, 1, 7)
		b.stop()
		path = copyFile(t, path)
		b.serve(t, b.addr)
	}
	b.start(t, path)
	b.drained(t)
	b.hasOnce(t, "log", map[string]int{"a": 7, "b": 7, "c": 7})
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.IsSorted(strings.Split(strings.TrimSpace(string(b.lines["log"])), "\n")) {
		t.Errorf("the lines are not in the order in which they were spooled:\n%s", b.lines["log"])
	}
}

// TestLogsOfSeveralProducersWaitAtOnce has the same stream in reach of logs that were stored before and after the copying.
func TestLogsOfSeveralProducersWaitAtOnce(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.server.Shutdown(0)
	for i := range 20 {
		b.addNumbered(t, fmt.Sprint("log", i%4), "before", i/4+1, i/4+1)
	}
	b.stop()
	b.start(t, copyFile(t, path))
	for i := range 40 {
		b.addNumbered(t, fmt.Sprint("log", i%8), "after", i/8+1, i/8+1)
	}
	b.serve(t, b.addr)
	b.drained(t)
	for i := range 4 {
		b.hasOnce(t, fmt.Sprint("log", i), map[string]int{"before": 5, "after": 5})
		b.hasOnce(t, fmt.Sprint("log", i+4), map[string]int{"after": 5})
	}
}

// TestSpoolPutBackInPlace puts an earlier state of the file back between two runs, which nothing but the Scribe can tell.
func TestSpoolPutBackInPlace(t *testing.T) {
	for name, lines := range map[string]int{"FewerNewLines": 3, "AsMany": 10, "MoreNewLines": 25} {
		t.Run(name, func(t *testing.T) {
			b := startScribe(t)
			path := filepath.Join(t.TempDir(), "spool.db")
			b.start(t, path)
			b.addNumbered(t, "log", "before", 1, 5)
			b.drained(t)
			b.server.Shutdown(0)
			b.addNumbered(t, "log", "before", 6, 8) // wait in the file
			b.stop()
			old := content(t, path)
			b.serve(t, b.addr)
			b.start(t, path)
			b.addNumbered(t, "log", "lost", 1, 10)
			b.addNumbered(t, "later", "lost", 1, 10) // a log that the old state does not know
			b.drained(t)
			b.stop()

			overwrite(t, path, old)
			b.server.Shutdown(0)
			b.start(t, path)
			half := lines / 2
			b.addNumbered(t, "log", "new", 1, half)
			b.addNumbered(t, "later", "new", 1, half)
			b.serve(t, b.addr)
			b.drained(t)
			b.addNumbered(t, "log", "new", half+1, lines)
			b.addNumbered(t, "later", "new", half+1, lines)
			b.drained(t)
			b.hasOnce(t, "log", map[string]int{"before": 8, "lost": 10, "new": lines})
			b.hasOnce(t, "later", map[string]int{"lost": 10, "new": lines})
			if forks := b.spool.Stats().Forks; forks != 1 {
				t.Errorf("%d new producers were taken", forks)
			}
			b.stop() // and what is stored under two identities is there after a restart
			b.start(t, path)
			b.addNumbered(t, "log", "last", 1, 3)
			b.drained(t)
			b.hasOnce(t, "log", map[string]int{"before": 8, "lost": 10, "new": lines, "last": 3})
		})
	}
}

// TestPutBackAndStoppedBeforeItShows restarts between the discovery and the sending.
func TestPutBackAndStoppedBeforeItShows(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.stop()
	old := content(t, path)
	b.start(t, path)
	b.addNumbered(t, "log", "lost", 1, 4)
	b.drained(t)
	b.stop()
	overwrite(t, path, old)
	b.start(t, path)
	b.addNumbered(t, "log", "new", 1, 2)
	b.eventually(t, "it shows", func() bool { return b.spool.Stats().Forks == 1 })
	b.stop()
	b.start(t, path)
	b.addNumbered(t, "log", "new", 3, 6)
	b.drained(t)
	b.hasOnce(t, "log", map[string]int{"lost": 4, "new": 6})
}

// TestPutBackWhileTheScribeIsDown puts an old state back, and the next two runs reach no Scribe.
func TestPutBackWhileTheScribeIsDown(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.addNumbered(t, "log", "before", 1, 2)
	b.drained(t)
	b.stop()
	old := content(t, path)
	b.start(t, path)
	b.addNumbered(t, "log", "lost", 1, 6)
	b.drained(t)
	b.stop()
	overwrite(t, path, old)
	b.server.Shutdown(0)
	for _, prefix := range []string{"first", "second"} {
		b.start(t, path)
		b.addNumbered(t, "log", prefix, 1, 4)
		b.stop()
	}
	b.serve(t, b.addr)
	b.start(t, path)
	b.drained(t)
	b.addNumbered(t, "log", "third", 1, 9)
	b.drained(t)
	b.hasOnce(t, "log", map[string]int{"before": 2, "lost": 6, "first": 4, "second": 4, "third": 9})
}

// TestCopyOfWhatWasStoredWhileTheScribeWasDown copies a backlog from a run that never reached the Scribe.
func TestCopyOfWhatWasStoredWhileTheScribeWasDown(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.addNumbered(t, "log", "shared", 1, 2)
	b.drained(t)
	b.stop()
	b.server.Shutdown(0)
	b.start(t, path)
	b.addNumbered(t, "log", "shared", 3, 9)
	b.stop()
	copied := copyFile(t, path)
	b.serve(t, b.addr)
	original, clone := b.agent(t, path), b.agent(t, copied)
	for i := range 9 {
		clone.addNumbered(t, "log", "clone", i+1, i+1)
		original.addNumbered(t, "log", "original", i+1, i+1)
	}
	original.drained(t)
	clone.drained(t)
	b.hasOnce(t, "log", map[string]int{"shared": 9, "original": 9, "clone": 9})
}

// TestKilledAfterTheScribeWasMet ends a run, by a copy put back in place, with lines that it stored before it reached the
// Scribe and sent after.
func TestKilledAfterTheScribeWasMet(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.addNumbered(t, "log", "line", 1, 2)
	b.drained(t)
	b.stop()
	b.server.Shutdown(0)
	b.start(t, path)
	b.addNumbered(t, "log", "line", 3, 9)
	b.serve(t, b.addr)
	var killed []byte
	b.change(func(f *fakeScribe) {
		f.before = func(context.Context, []string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if len(f.lines["log"]) > 2*len("line 1\n") && killed == nil {
				killed, _ = os.ReadFile(path) // as a kill now would leave it
			}
			return nil
		}
	})
	b.drained(t)
	b.stop()
	overwrite(t, path, killed)
	b.start(t, path)
	b.addNumbered(t, "log", "line", 10, 12)
	b.drained(t)
	b.hasOnce(t, "log", map[string]int{"line": 12})
}

// TestReceiptWithoutAnOwnerProvesNothing puts an old state back, and a mediator answers for an owner that is down.
func TestReceiptWithoutAnOwnerProvesNothing(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.stop()
	old := content(t, path)
	b.start(t, path)
	b.addNumbered(t, "log", "lost", 1, 4)
	b.drained(t)
	b.stop()
	overwrite(t, path, old)
	b.change(func(f *fakeScribe) {
		f.receipt = func(log string) *logscribev1.Receipt {
			r := unavailable("")
			r.Log = log
			return r
		}
	})
	streams := b.streams
	b.start(t, path)
	b.addNumbered(t, "log", "new", 1, 2)
	b.eventually(t, "it is answered", func() bool { return b.streams >= streams+2 })
	b.change(func(f *fakeScribe) { f.receipt = nil })
	b.addNumbered(t, "log", "new", 3, 6)
	b.drained(t)
	b.hasOnce(t, "log", map[string]int{"lost": 4, "new": 6})
}
