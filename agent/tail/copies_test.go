package tail

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/spool"
)

var long = flag.Bool("long", false, "run the long forms: minutes of copytruncate at full rate, a line of 1 GiB")

// copyTruncate does what logrotate does, without a pause between the two.
func (f *fixture) copyTruncate(name, to string) {
	f.t.Helper()
	f.copyFile(name, to)
	f.check(os.Truncate(f.path(name), 0))
}

func (f *fixture) copyFile(from, to string) {
	f.t.Helper()
	in, err := os.Open(f.path(from))
	f.check(err)
	defer in.Close()
	out, err := os.OpenFile(f.path(to), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	f.check(err)
	_, err = io.Copy(out, in)
	f.check(err)
	f.check(out.Close())
}

// everyGlob runs the test with globs that cover rotated names and that don't, with events and without, and a spool in a
// file.
func everyGlob(t *testing.T, test func(t *testing.T, f *fixture)) {
	for _, glob := range []string{"app.log", "app.log*"} {
		t.Run(glob, func(t *testing.T) { both(t, func(t *testing.T, f *fixture) { test(t, f.real()) }, glob) })
	}
}

// wantsOnly waits until the log of app is want, and makes sure that nothing follows, here or in a log of another name.
func (f *fixture) wantsOnly(want string) {
	f.t.Helper()
	f.wants("app", want)
	f.scans(3)
	f.wants("app", want)
	f.spool.do(func() {
		if len(f.spool.logs) != 1 {
			f.t.Errorf("there are %d logs, want 1", len(f.spool.logs))
		}
	})
}

func TestCopyTruncate(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", lines("b", 0, 30))
		f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 30))
		f.rename("app.log.1", "app.log.2")
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 100)) // longer than what was read
		f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 30) + lines("c", 0, 100))
		f.down()
		f.up()
		f.wantsOnly(lines("a", 0, 50) + lines("b", 0, 30) + lines("c", 0, 100))
	})
}

func TestCopyTruncateOfUnreadLines(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		f.down()
		f.write("app.log", lines("a", 50, 90))
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", lines("b", 0, 30))
		f.up()
		f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 30))
		f.down()
		f.up()
		f.wantsOnly(lines("a", 0, 90) + lines("b", 0, 30))
		if losses, _ := f.spool.lost(); len(losses) > 0 {
			t.Errorf("counted as lost: %+v", losses)
		}
	})
}

func TestManyCopyTruncatesWhileDown(t *testing.T) {
	for _, grown := range []bool{false, true} {
		everyGlob(t, func(t *testing.T, f *fixture) {
			f.write("app.log", lines("a", 0, 50))
			f.up()
			f.wants("app", lines("a", 0, 50))
			f.down()
			f.write("app.log", lines("a", 50, 60))
			f.copyTruncate("app.log", "app.log.3")
			f.write("app.log", lines("b", 0, 10))
			f.copyTruncate("app.log", "app.log.2")
			f.write("app.log", lines("c", 0, 10))
			f.copyTruncate("app.log", "app.log.1")
			last := lines("d", 0, 10)
			if grown {
				last = lines("d", 0, 200) // beyond the old position
			}
			f.write("app.log", last)
			f.up()
			f.wantsOnly(lines("a", 0, 60) + lines("b", 0, 10) + lines("c", 0, 10) + last)
		})
	}
}

// All contents begin alike, for longer than the probe of a file's head.
func TestCopyTruncateBehindEqualHeads(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		head := strings.Repeat("#Software: the same in all files\n", 128)
		f.write("app.log", head+lines("a", 0, 50))
		f.up()
		f.wants("app", head+lines("a", 0, 50))
		f.down()
		f.write("app.log", lines("a", 50, 60))
		f.copyTruncate("app.log", "app.log.2")
		f.write("app.log", head+lines("b", 0, 10))
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", head+lines("c", 0, 100))
		f.up()
		f.wantsOnly(head + lines("a", 0, 60) + head + lines("b", 0, 10) + head + lines("c", 0, 100))
	})
}

// The copy of what was read is gone; the next one, which begins alike, must not be taken for it.
func TestCopyTruncateBehindEqualHeadsWithoutTheFirstCopy(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		head := strings.Repeat("#Software: the same in all files\n", 128)
		f.write("app.log", head+lines("a", 0, 50))
		f.up()
		f.wants("app", head+lines("a", 0, 50))
		f.down()
		f.check(os.Truncate(f.path("app.log"), 0))
		f.write("app.log", head+lines("b", 0, 100))
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", head+lines("c", 0, 10))
		f.up()
		f.wantsOnly(head + lines("a", 0, 50) + head + lines("b", 0, 100) + head + lines("c", 0, 10))
	})
}

// A file of which nothing was read does not show that it was truncated.
func TestCopyTruncateOfAFileThatWasEmpty(t *testing.T) {
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("app.log", "")
		f.up()
		f.scans(3)
		f.down()
		f.write("app.log", lines("a", 0, 10))
		f.copyTruncate("app.log", "app.log.2")
		f.write("app.log", lines("b", 0, 10))
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 10))
		f.up()
		f.wantsOnly(lines("a", 0, 10) + lines("b", 0, 10) + lines("c", 0, 10))
	})
}

// What was read behind the end of the copy is in no copy, and must not make the copy look like another file.
func TestCopyIsShorterThanWhatWasRead(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		everyGlob(t, func(t *testing.T, f *fixture) { testShortCopy(t, f, down) })
	}
}

func testShortCopy(t *testing.T, f *fixture, down bool) {
	f.write("app.log", lines("a", 0, 200))
	f.up()
	f.wants("app", lines("a", 0, 200))
	f.copyFile("app.log", "app.log.1")
	time.Sleep(clockTick) // cp ends before the next line is written
	f.write("app.log", lines("a", 200, 210))
	f.wants("app", lines("a", 0, 210))
	if down {
		f.down()
	}
	f.check(os.Truncate(f.path("app.log"), 0))
	f.write("app.log", lines("b", 0, 3))
	if down {
		f.up()
	}
	f.wantsOnly(lines("a", 0, 210) + lines("b", 0, 3))
}

// As long as a copy is being made it looks like a short file with the same lines.
func TestCopyThatTakesLong(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		text := lines("a", 0, 100)
		f.write("app.log", text)
		f.up()
		f.wants("app", text)
		for i := 0; i < len(text); i += 100 {
			f.write("app.log.1", text[i:min(i+100, len(text))])
			f.scans(1)
		}
		f.wantsOnly(text)
		f.check(os.Truncate(f.path("app.log"), 0))
		f.write("app.log", "next\n")
		f.wantsOnly(text + "next\n")
	})
}

// A spool that refuses keeps the source from reading, while copies are made and renamed.
func TestCopyTruncateWhileSpoolIsFull(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.cfg.chunk, f.cfg.MaxLine = 200, 100
		f.write("app.log", lines("a", 0, 50))
		f.up()
		f.wants("app", lines("a", 0, 50))
		full := make(chan struct{})
		f.spool.do(func() { f.spool.blocked = full })
		f.write("app.log", lines("a", 50, 150))
		f.scans(2)
		f.copyTruncate("app.log", "app.log.2")
		f.scans(2)
		f.write("app.log", lines("b", 0, 20))
		f.scans(2)
		f.copyTruncate("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 200))
		f.scans(2)
		f.spool.do(func() { f.spool.blocked = nil })
		close(full)
		f.wantsOnly(lines("a", 0, 150) + lines("b", 0, 20) + lines("c", 0, 200))
	})
}

// Bytes that were seen, and destroyed before they could be read, are counted.
func TestDestroyedBytesAreCounted(t *testing.T) {
	f := newFixture(t, "app.log").real()
	f.write("app.log", lines("a", 0, 50)+"unfinished")
	f.up()
	f.wants("app", lines("a", 0, 50))
	f.scans(2)
	f.check(os.Truncate(f.path("app.log"), 0))
	f.write("app.log", "b\n")
	f.wants("app", lines("a", 0, 50)+"b\n")
	want := []spool.Loss{{Log: "app", File: f.path("app.log"), Reason: spool.Truncated, Bytes: uint64(len("unfinished")), Times: 1}}
	losses, _ := f.spool.lost()
	if diff := cmp.Diff(want, losses); diff != "" {
		t.Error(diff)
	}
}

// A file that begins like another one is no copy of it if it goes on differently, or bears a name of its own.
func TestFilesThatBeginAlike(t *testing.T) {
	f := newFixture(t, "*.log*").real()
	f.cfg.Sections[0].Log = "{name}"
	f.write("app.log", "started\nworking\n")
	f.up()
	f.wants("app.log", "started\nworking\n")
	f.write("app-1.log", "started\n")
	f.write("app.log.1", "started\nother\n")
	f.wants("app-1.log", "started\n")
	f.wants("app.log.1", "started\nother\n")
	f.write("app-1.log", "more\n")
	f.wants("app-1.log", "started\nmore\n")
}

// TestCopyTruncateUnderLoad has a writer that never waits. What is missing in the end must be in no file any more, and
// nothing may come twice or out of order. A line that a copy cut off may come as it is.
func TestCopyTruncateUnderLoad(t *testing.T) {
	t.Parallel()
	rounds, every, rate := 20, 40*time.Millisecond, 20_000
	if *long {
		rounds, every = 200, 2*time.Second
	}
	for _, glob := range []string{"app.log", "app.log*"} {
		t.Run(glob, func(t *testing.T) {
			f := newFixture(t, glob).real()
			f.spool.lottery, f.patience = true, time.Minute
			f.write("app.log", "")
			f.up()
			f.known(1) // what is copied before that may count as a file from before the start
			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() { f.writeAtRate(rate, stop) })
			for i := range rounds {
				time.Sleep(every)
				if i%5 == 3 {
					f.down()
				}
				for n := i; n > 0; n-- {
					f.rename(fmt.Sprintf("app.log.%d", n), fmt.Sprintf("app.log.%d", n+1))
				}
				f.copyTruncate("app.log", "app.log.1")
				if i%5 == 3 {
					f.up()
				}
			}
			close(stop)
			writer.Wait()
			f.write("app.log", "the end\n")
			if !f.eventually(func() bool { return strings.HasSuffix(f.spool.log("app"), "the end\n") }) {
				t.Fatal("the end did not come")
			}
			f.down()
			f.up() // it scans at once, however long that took before; what it finds comes behind the end
			f.scans(1)
			f.down()
			f.checkNumbers()
		})
	}
}

// writeAtRate appends numbered lines, rate of them a second.
func (f *fixture) writeAtRate(rate int, stop <-chan struct{}) {
	file, err := os.OpenFile(f.path("app.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer file.Close()
	began := time.Now()
	for n := 0; ; n++ {
		for int(time.Since(began).Seconds()*float64(rate)) < n {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
		if _, err := fmt.Fprintf(file, "%09d of the lines that a writer writes without a pause\n", n); err != nil {
			f.t.Error(err)
			return
		}
	}
}

// checkNumbers compares what was delivered with what is in the files.
func (f *fixture) checkNumbers() {
	f.t.Helper()
	delivered := map[string]bool{}
	last, bad := "", 0
	torn := map[string]bool{}
	inFiles := map[string]string{} // the name of the file that a line is in
	names, err := filepath.Glob(f.path("app.log*"))
	f.check(err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		f.check(err)
		whole := text[:strings.LastIndexByte(string(text), '\n')+1]
		torn[string(text[len(whole):])] = true
		for line := range strings.Lines(string(whole)) {
			inFiles[line] = filepath.Base(name)
		}
	}
	for line := range strings.Lines(f.spool.log("app")) {
		switch {
		case torn[strings.TrimSuffix(line, "\n")]:
		case len(line) < 50 && line != "the end\n", line <= last && line != "the end\n", delivered[line]:
			if bad++; bad < 10 {
				f.t.Errorf("line %q, of %s, after %q, seen before: %v", line, inFiles[line], last, delivered[line])
			}
		default:
			last = line
		}
		delivered[line] = true
	}
	missing := 0
	for line, name := range inFiles {
		first := len(line) < 50 // the rest of a line whose beginning a truncation took
		if !delivered[line] && !first {
			if missing++; missing < 10 {
				f.t.Errorf("line %q of %s is missing", line, name)
			}
		}
	}
	if bad > 0 || missing > 0 {
		f.t.Errorf("%d lines are wrong, %d of %d that are in files are missing", bad, missing, len(inFiles))
	}
	f.t.Logf("%d lines were delivered, %d are in files", len(delivered), len(inFiles))
}

// TestCopyOfAFileThatIsGone: of a copy that is not followed by a truncation nothing is known any more once the file is forgotten.
func TestCopyOfAFileThatIsGone(t *testing.T) {
	f := newFixture(t, "app.log*")
	f.write("app.log", "one\n")
	h := f.byHand(t)
	f.copyFile("app.log", "app.log.1")
	h.wants(f, "one\n")
	if len(h.copies) != 1 {
		t.Fatalf("%d copies are known, want 1", len(h.copies))
	}
	h.drop(h.byName[f.path("app.log")])
	if len(h.copies) != 0 {
		t.Errorf("%d copies are known", len(h.copies))
	}
}
