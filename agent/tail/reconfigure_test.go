package tail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
)

// section returns a section of globs in the fixture's folder.
func (f *fixture) section(log string, globs ...string) Section {
	s := Section{Log: log, Codec: block.S2}
	for _, g := range globs {
		s.Paths = append(s.Paths, f.path(g))
	}
	return s
}

func (f *fixture) reconfigure(sections ...Section) {
	f.t.Helper()
	f.check(f.source.Reconfigure(sections))
}

func TestReconfigureMovesLinesToAnotherLog(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.reconfigure(f.section("other/{stem}", "*.log"))
	f.write("app.log", "two\n")
	f.wants("other/app", "two\n")
	f.down()
	f.cfg.Sections = []Section{f.section("{stem}", "*.log")}
	f.write("app.log", "three\n")
	f.up()
	f.wants("app", "one\nthree\n")
}

func TestReconfigureFindsAndLetsGo(t *testing.T) {
	f := newFixture(t, "a.log")
	f.check(os.Mkdir(f.path("sub"), 0o755))
	f.write("a.log", "a1\n")
	f.write("sub/b.log", "b1\n")
	f.up()
	f.wants("a", "a1\n")
	f.reconfigure(f.section("{stem}", "sub/*.log"))
	f.wants("b", "b1\n")
	f.write("a.log", "a2\n")
	f.rename("a.log", "a.log.1") // while nobody reads it
	f.write("a.log", "a3\n")
	f.scans(2)
	if n := f.source.Stats(); n.Tailed != 1 || n.Open != 1 {
		t.Errorf("%d files are tailed, %d are open", n.Tailed, n.Open)
	}
	if f.source.watch.covers(f.dir) {
		t.Error("a folder is watched in which nothing is tailed")
	}
	f.wants("a", "a1\n")
	f.reconfigure(f.section("{stem}", "*.log"))
	f.wants("a", "a1\na2\na3\n")
	f.write("a.log", "a4\n")
	f.wants("a", "a1\na2\na3\na4\n")
	f.wants("b", "b1\n")
}

// TestReconfigureKeepsDeletedFilesOpen has the only descriptor of a file's lines outlive a reload.
func TestReconfigureKeepsDeletedFilesOpen(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	blocked := make(chan struct{})
	f.spool.do(func() { f.spool.blocked = blocked })
	f.write("app.log", "two\n")
	time.Sleep(20 * time.Millisecond) // one batch hangs in the spool, maybe
	f.write("app.log", "three\n")
	f.remove("app.log")
	f.reconfigure(f.section("new", "*.log"))
	f.reconfigure(f.section("{stem}", "app.*"))
	f.spool.do(func() { f.spool.blocked = nil })
	close(blocked)
	f.wants("app", "one\ntwo\nthree\n")
}

// TestReconfigureDuringAScan changes the sections while a scan under the old ones hangs. What the new ones cover is found
// by the time that it ends, though no other scan is due for long.
func TestReconfigureDuringAScan(t *testing.T) {
	f := newFixture(t, "*.log")
	f.blind()
	f.cfg.ScanInterval, f.cfg.PollInterval = time.Hour, time.Hour
	f.write("slow.log", "slow\n")
	f.write("a.log", "new\n")
	f.write("b.log", "old\n")
	f.check(os.Chtimes(f.path("b.log"), time.Unix(1, 0), time.Unix(1, 0)))
	hangs, goOn := make(chan struct{}), make(chan struct{})
	hang := sync.OnceFunc(func() { close(hangs); <-goOn })
	f.cfg.stat = func(path string) (fileStat, error) {
		if path == f.path("slow.log") {
			hang()
		}
		return statPath(path)
	}
	f.up()
	<-hangs
	f.reconfigure(f.section("other", "slow.log"), f.section("all", "a.log", "b.log"))
	close(goOn)
	f.wants("other", "slow\n")
	f.wants("all", "old\nnew\n")
}

// TestDeadGenerationOfALineageThatEnded has a worker miss a file, which is then found to be gone for good, and whose path
// no section covers any more by the time that the conductor looks for it.
func TestDeadGenerationOfALineageThatEnded(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.down()
	s, err := New(f.cfg)
	f.check(err)
	g := s.lineages[f.path("app.log")].generations[0]
	s.searched = append(s.searched, g)
	s.drop(g)
	s.sections = nil
	s.redirect()
	s.handleKick(t.Context())
	if len(s.byInode) > 0 {
		t.Error("a file that no section covers was found")
	}
}

// TestAmbiguousNameWakesOlderFirst settles worker.log first, of which worker-1.log is a rotated name too: what stood at
// worker-1.log before must be awake when the file there is.
func TestAmbiguousNameWakesOlderFirst(t *testing.T) {
	f := newFixture(t, "worker.log", "worker-1.log")
	f.write("worker.log", "w\n")
	f.write("worker-1.log", "one\n")
	f.up()
	f.wants("worker-1", "one\n")
	f.rename("worker-1.log", "worker-1.log.1")
	f.write("worker-1.log", "two\n")
	f.wants("worker-1", "one\ntwo\n")
	f.down()
	f.write("worker-1.log.1", "late\n")
	f.write("worker-1.log", "three\n")
	s, err := New(f.cfg)
	f.check(err)
	s.settle(t.Context(), s.lineages[f.path("worker.log")])
	for _, g := range s.lineages[f.path("worker-1.log")].generations {
		if g.dormant {
			t.Errorf("%s, which stands at %s now, sleeps", g.path, g.name)
		}
	}
}

func TestReconfigureRefusesAllOrNothing(t *testing.T) {
	f := newFixture(t, "*.log")
	f.up()
	f.write("app.log", "one\n")
	f.wants("app", "one\n")
	for want, bad := range map[string]Section{
		"bad glob":    f.section("{stem}", "["),
		"{nonsense}":  f.section("{nonsense}", "x"),
		"no paths":    f.section("x"),
		"bad log nam": f.section("../x", "x"),
	} {
		err := f.source.Reconfigure([]Section{f.section("new", "*.log"), bad})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "file section 2") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f.write("app.log", "two\n")
	f.wants("app", "one\ntwo\n")
}

func TestReconfigureAfterTheEnd(t *testing.T) {
	f := newFixture(t, "*.log")
	f.up()
	s := f.source
	f.down()
	if err := s.Reconfigure([]Section{f.section("x", "*.log")}); err != errStopped {
		t.Errorf("got %v", err)
	}
}

// TestReconfigureModel changes the sections at random while files are written, rotated and deleted, and the source is
// restarted. Each line must come once, and those of one file that go to one log in their order.
func TestReconfigureModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		m.f.patience = 10 * time.Second
		m.reconfigured(t)
		t.Repeat(map[string]func(*rapid.T){
			"write":   m.write,
			"rotate":  m.rotate,
			"restart": m.restart,
			"sections": func(t *rapid.T) {
				for range rapid.IntRange(1, 3).Draw(t, "times") {
					m.reconfigured(t)
				}
			},
			"pause": func(*rapid.T) { time.Sleep(time.Duration(rapid.IntRange(0, 15).Draw(t, "ms")) * time.Millisecond) },
		})
		m.f.source.mustReconfigure(t, m.sections(0, 0, 0))
		for _, file := range m.files {
			m.finish(file)
			m.complete(t, file)
		}
		m.f.down()
	})
}

func (s *Source) mustReconfigure(t *rapid.T, sections []Section) {
	if err := s.Reconfigure(sections); err != nil {
		t.Fatal(err)
	}
}

// sections returns a section for each file, in the order given by the numbers: 0 and 1 are two logs, 2 leaves the file
// out.
func (m *model) sections(choices ...int) []Section {
	var sections []Section
	for i, c := range choices {
		if c < 2 {
			file := m.files[i]
			sections = append(sections, m.f.section(fmt.Sprintf("%s/%d", file.log, c), file.name))
			sections[len(sections)-1].Codec = block.Codec(c)
		}
	}
	rand.Shuffle(len(sections), func(i, j int) { sections[i], sections[j] = sections[j], sections[i] })
	return sections
}

func (m *model) reconfigured(t *rapid.T) {
	choice := rapid.IntRange(0, 2)
	third := rapid.IntRange(0, 1).Draw(t, "third") // worker-1.log would be a rotated name of worker.log
	m.f.cfg.Sections = m.sections(choice.Draw(t, "first"), choice.Draw(t, "second"), third)
	m.f.source.mustReconfigure(t, m.f.cfg.Sections)
}

// whereabouts lists for each log the numbers of the file's lines in it.
func (m *model) whereabouts(logs, lines []string) string {
	var b strings.Builder
	for _, log := range logs {
		fmt.Fprintf(&b, "\n%s:", log)
		for line := range strings.Lines(m.f.spool.log(log)) {
			fmt.Fprintf(&b, " %d", slices.Index(lines, line))
		}
	}
	return b.String()
}

// complete waits until the file's logs have all that was written to it, and checks each of them.
func (m *model) complete(t *rapid.T, file *modelFile) {
	logs := []string{file.log, file.log + "/0", file.log + "/1"}
	whole := file.all.String()
	got := func() (all string) {
		for _, log := range logs {
			all += m.f.spool.log(log)
		}
		return all
	}
	m.f.eventually(func() bool { return len(got()) >= len(whole) })
	want := strings.SplitAfter(whole, "\n")
	for _, log := range logs {
		next := 0
		for line := range strings.SplitAfterSeq(m.f.spool.log(log), "\n") {
			at := slices.Index(want[next:], line)
			if at < 0 {
				t.Fatalf("log %s: line %d of the file is out of order, or stands twice:%s", log, slices.Index(want, line), m.whereabouts(logs, want))
			}
			next += at
		}
	}
	all := strings.SplitAfter(got(), "\n")
	slices.Sort(all)
	slices.Sort(want)
	if !slices.Equal(all, want) {
		t.Fatalf("%d lines of %s, want %d:%s", len(all), file.name, len(want), m.whereabouts(logs, strings.SplitAfter(whole, "\n")))
	}
}

// TestReconfigureReleasesHeldEvents ends the wait for more of an event together with the rule that made it wait.
func TestReconfigureReleasesHeldEvents(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.Sections[0].Lines = line.Rules{Multiline: line.Multiline{Continue: `^\s`, Timeout: time.Hour}}
	f.write("app.log", "one\n two\n")
	long := time.Now().Add(-time.Minute) // so that it does not seem to have changed
	f.check(os.Chtimes(f.path("app.log"), long, long))
	f.up()
	f.scans(3)
	f.wants("app", "")
	f.reconfigure(f.section("{stem}", "*.log"))
	f.wants("app", "one\n two\n")
	excluding := f.section("{stem}", "*.log")
	excluding.Lines.Exclude = []string{"^secret"}
	f.reconfigure(excluding)
	f.write("app.log", "secret\nthree\n")
	f.wants("app", "one\n two\nthree\n")
}
