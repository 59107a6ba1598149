package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// TestExplainIsTrue asks about files, lets the source run, and compares what has come of each of them with what was said.
func TestExplainIsTrue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		globs   string // of the section, or of several parted by |
		exclude string // of the first section
		log     string // default: {stem} of the first section, {stem}-2 of the second one ...
		fromEnd bool
		before  func(f *fixture) // the files as they are when the source is down for the last time
		asked   string
		read    string // those of the asked files that are read, with the number of lines skipped
	}{
		{
			name: "a link to a file elsewhere", globs: "*.log", asked: "app.log elsewhere/file", read: "app.log:0 elsewhere/file:0",
			before: func(f *fixture) {
				f.fill("elsewhere/file", 0, 10)
				f.link("elsewhere/file", "app.log")
			},
		},
		{
			name: "a link and its target", globs: "*.log", asked: "a.log b.log", read: "a.log:0 b.log:0",
			before: func(f *fixture) {
				f.fill("b.log", 0, 10)
				f.link("b.log", "a.log")
			},
		},
		{
			name: "a link and its target, which was known first", globs: "*.log", asked: "a.log b.log", read: "a.log:10 b.log:10",
			before: func(f *fixture) {
				f.fill("b.log", 0, 10)
				f.ran("b", 10)
				f.link("b.log", "a.log")
				f.fill("b.log", 10, 20)
			},
		},
		{
			name: "a link that leads nowhere", globs: "*.log", asked: "a.log",
			before: func(f *fixture) { f.link("nowhere", "a.log") },
		},
		{
			name: "a link on the way", globs: "current/*.log", asked: "current/app.log v1/app.log v2/app.log", read: "current/app.log:0 v1/app.log:0",
			before: func(f *fixture) {
				f.fill("v1/app.log", 0, 10)
				f.fill("v2/app.log", 0, 10)
				f.link("v1", "current")
			},
		},
		{
			name: "a link that was swapped", globs: "current/*.log", asked: "current/app.log v1/app.log v2/app.log", read: "current/app.log:0 v2/app.log:0",
			before: func(f *fixture) {
				f.fill("v1/app.log", 0, 10)
				f.link("v1", "current")
				f.ran("app", 10)
				f.fill("v1/app.log", 10, 20)
				f.fill("v2/app.log", 0, 10)
				f.remove("current")
				f.link("v2", "current")
			},
		},
		{
			name: "links below **", globs: "**/*.log", asked: "v1/app.log current/app.log outside/app.log", read: "v1/app.log:0 current/app.log:0",
			before: func(f *fixture) {
				f.fill("v1/app.log", 0, 10)
				f.link("v1", "current")
				dir := f.t.(*testing.T).TempDir()
				f.check(os.Rename(f.made("outside/app.log", 0, 10), filepath.Join(dir, "app.log")))
				f.remove("outside")
				f.check(os.Symlink(dir, f.path("outside")))
			},
		},
		{
			name: "hard links", globs: "*.log", asked: "a.log b.log c.txt", read: "a.log:0 b.log:0 c.txt:0",
			before: func(f *fixture) {
				f.fill("b.log", 0, 10)
				f.check(os.Link(f.path("b.log"), f.path("a.log")))
				f.check(os.Link(f.path("b.log"), f.path("c.txt")))
			},
		},
		{
			name: "two sections", globs: "a*.log|*.log", asked: "ab.log b.log", read: "ab.log:0 b.log:0",
			before: func(f *fixture) { f.fill("ab.log", 0, 10); f.fill("b.log", 0, 10) },
		},
		{
			name: "excluded from one section, or from the only one", globs: "*.log|a*.log", exclude: "*b.log", asked: "ab.log b.log", read: "ab.log:0",
			before: func(f *fixture) { f.fill("ab.log", 0, 10); f.fill("b.log", 0, 10) },
		},
		{
			name: "compressed copies", globs: "app.log*", asked: "app.log app.log.1.gz app.log.2.gz", read: "app.log:0 app.log.1.gz:10",
			before: func(f *fixture) {
				f.fill("app.log.2", 0, 10)
				f.pack("app.log.2", "app.log.2.gz")
				f.fill("app.log", 0, 10)
				f.ran("app", 10)
				f.fill("app.log", 10, 20)
				f.pack("app.log", "app.log.1.gz")
				f.fill("app.log", 20, 30)
			},
		},
		{
			name: "a copy of what was truncated", globs: "app.log*", asked: "app.log app.log.1", read: "app.log:0 app.log.1:100",
			before: func(f *fixture) {
				f.fill("app.log", 0, 100)
				f.ran("app", 100)
				f.fill("app.log", 100, 120)
				f.copyTruncate("app.log", "app.log.1")
				f.fill("app.log", 120, 130)
			},
		},
		{
			name: "a copy", globs: "app.log*", asked: "app.log.1",
			before: func(f *fixture) {
				f.fill("app.log", 0, 10)
				f.ran("app", 10)
				f.copyFile("app.log", "app.log.1")
			},
		},
		{
			name: "from the end", globs: "*.log", fromEnd: true, asked: "a.log", read: "a.log:10",
			before: func(f *fixture) { f.fill("a.log", 0, 10) },
		},
		{
			name: "from the end, and later files", globs: "*.log", fromEnd: true, asked: "a.log b.log", read: "a.log:10 b.log:0",
			before: func(f *fixture) {
				f.fill("a.log", 0, 10)
				f.ran("", 0)
				f.fill("a.log", 10, 15)
				f.fill("b.log", 0, 10)
			},
		},
		{
			name: "no files", globs: "*.log", asked: "folder.log pipe.log gone.log a.log/b.log",
			before: func(f *fixture) {
				f.check(os.Mkdir(f.path("folder.log"), 0o755))
				f.check(syscall.Mkfifo(f.path("pipe.log"), 0o600))
				f.fill("a.log", 0, 10)
			},
		},
		{
			name: "rotated files", globs: "app.log", asked: "app.log app.log.1 app.log.2 app.log.3", read: "app.log:0 app.log.1:0 app.log.2:10",
			before: func(f *fixture) {
				f.fill("app.log.2", 0, 10)
				f.tick()
				f.fill("app.log", 10, 20)
				f.ran("app", 10)
				f.fill("app.log", 20, 30)
				f.rename("app.log.2", "app.log.3")
				f.rename("app.log", "app.log.2")
				f.fill("app.log", 30, 40)
				f.rename("app.log", "app.log.1")
				f.fill("app.log", 40, 50)
			},
		},
		{
			name: "rotated files that bear logs of their own", globs: "app.log*", log: "{name}", asked: "app.log app.log.1 app.log.2", read: "app.log:0 app.log.1:0 app.log.2:10",
			before: func(f *fixture) {
				f.fill("app.log", 10, 20)
				f.ran("app.log", 10)
				f.fill("app.log", 20, 30)
				f.rename("app.log", "app.log.2")
				f.fill("app.log", 30, 40)
				f.rename("app.log", "app.log.1")
				f.fill("app.log", 40, 50)
			},
		},
		{
			name: "moved to another section", globs: "a/*|b/*", asked: "b/app.log", read: "b/app.log:10",
			before: func(f *fixture) {
				f.fill("a/app.log", 0, 10)
				f.fill("b/other", 0, 10)
				f.ran("app", 10)
				f.fill("a/app.log", 10, 20)
				f.rename("a/app.log", "b/app.log")
			},
		},
		{
			name: "moved from a section that is no more", globs: "b/*", asked: "b/app.log a/left", read: "b/app.log:10",
			before: func(f *fixture) {
				f.fill("a/app.log", 0, 10)
				f.fill("a/left", 0, 10)
				f.fill("b/other", 0, 10)
				sections := f.cfg.Sections
				f.cfg.Sections = append(slices.Clone(sections), f.section("{stem}", "a/*"))
				f.ran("app", 10)
				f.cfg.Sections = sections
				f.fill("a/app.log", 10, 20)
				f.rename("a/app.log", "b/app.log")
			},
		},
		{
			name: "truncated, and longer than before", globs: "*.log", asked: "a.log", read: "a.log:0",
			before: func(f *fixture) {
				f.fill("a.log", 0, 10)
				f.ran("a", 10)
				f.check(os.Truncate(f.path("a.log"), 0))
				f.fill("a.log", 10, 30)
			},
		},
		{
			name: "a bad name of a log", globs: ".scribe/*", log: "{dir}/{name}", asked: ".scribe/x",
			before: func(f *fixture) { f.fill(".scribe/x", 0, 10) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.cfg.Sections = nil
			for i, glob := range strings.Split(c.globs, "|") {
				log := c.log
				if log == "" {
					log = "{stem}" + strings.Repeat("-2", i)
				}
				f.cfg.Sections = append(f.cfg.Sections, f.section(log, glob))
				f.cfg.Sections[i].FromEnd = c.fromEnd
			}
			if c.exclude != "" {
				f.cfg.Sections[0].Exclude = []string{c.exclude}
			}
			c.before(f)
			f.down()
			f.asks(strings.Fields(c.asked), strings.Fields(c.read))
		})
	}
}

// fill appends lines to a file that no other file has.
func (f *fixture) fill(name string, from, to int) {
	f.t.Helper()
	f.check(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	f.write(name, lines("of "+name, from, to))
}

// made is fill, and returns the path.
func (f *fixture) made(name string, from, to int) string {
	f.fill(name, from, to)
	return f.path(name)
}

func (f *fixture) link(target, name string) {
	f.t.Helper()
	f.check(os.Symlink(f.path(target), f.path(name)))
}

// tick has files that are changed later bear later times.
func (f *fixture) tick() { time.Sleep(clockTick) }

// ran lets the source run until the log has so many lines.
func (f *fixture) ran(log string, n int) {
	f.t.Helper()
	f.up()
	if !f.eventually(func() bool { return strings.Count(f.spool.log(log), "\n") == n }) {
		f.t.Fatalf("the log %s has %d lines, want %d", log, strings.Count(f.spool.log(log), "\n"), n)
	}
	f.scans(2)
	f.down()
	f.tick()
}

// asks has the files explained, and compares that with the list of those that are read, NAME:SKIPPED, and with what the
// source does then.
func (f *fixture) asks(names, read []string) {
	f.t.Helper()
	var paths []string
	for _, name := range names {
		paths = append(paths, f.path(name))
	}
	explained, err := Explain(f.cfg.Sections, f.cfg.Host, f.stored(), paths)
	f.check(err)
	before := map[string]int{}
	f.spool.do(func() {
		for log, text := range f.spool.logs {
			before[log] = len(text)
		}
	})
	f.up()
	f.scans(5)
	f.eventually(f.quiet())
	f.down()
	var said []string
	for i, e := range explained {
		text := f.content(e.Path)
		skipped := strings.Count(text, "\n")
		if e.Read() {
			skipped = strings.Count(text[:e.Offset], "\n")
			said = append(said, fmt.Sprintf("%s:%d", names[i], skipped))
		}
		f.t.Logf("%s: log %q, offset %d of %d; %s; %s", names[i], e.Log, e.Offset, e.Size, strings.Join(e.Reasons, "; "), strings.Join(e.Notes, "; "))
		for j, line := range slices.Collect(strings.Lines(text)) {
			for log, all := range f.spool.logs {
				want := 0
				if e.Read() && log == e.Log && j >= skipped {
					want = 1
				}
				if got := strings.Count(string(all[before[log]:]), line); got != want {
					f.t.Fatalf("line %d of %s came %d times to the log %s, want %d", j, names[i], got, log, want)
				}
			}
			if e.Read() && f.spool.logs[e.Log] == nil && j >= skipped {
				f.t.Fatalf("there is no log %s", e.Log)
			}
		}
	}
	if !slices.Equal(said, read) {
		f.t.Errorf("said to be read: %q, want %q", said, read)
	}
}

// quiet returns a function that says whether nothing has come to the spool for a while.
func (f *fixture) quiet() func() bool {
	last, since := -1, time.Now()
	return func() bool {
		f.spool.do(func() {
			if f.spool.appends != last {
				last, since = f.spool.appends, time.Now()
			}
		})
		return time.Since(since) > 100*time.Millisecond
	}
}

// content returns what is in a file, unpacked; "" if it is none.
func (f *fixture) content(path string) string {
	if st, err := statPath(path); err != nil || !st.regular {
		return ""
	}
	text, err := os.ReadFile(path)
	f.check(err)
	if packed(path) {
		z, err := gzip.NewReader(strings.NewReader(string(text)))
		f.check(err)
		var b strings.Builder
		_, err = z.WriteTo(&b)
		f.check(err)
		return b.String()
	}
	return string(text)
}
