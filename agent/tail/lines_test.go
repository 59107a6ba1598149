package tail

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
)

var (
	dated   = line.Multiline{Start: `^\d`, Timeout: time.Hour}
	noDebug = line.Rules{Exclude: []string{"DEBUG"}}
)

func withRules(f *fixture, r line.Rules) *fixture {
	f.cfg.Sections[0].Lines = r
	return f
}

func TestNoRulesNoProcessor(t *testing.T) {
	s, err := parseSection(Section{Paths: []string{"/x"}, Log: "x"}, "h")
	if err != nil || s.lines != nil {
		t.Errorf("got %v, %v", s.lines, err)
	}
}

func TestRulesAreChecked(t *testing.T) {
	_, err := parseSections([]Section{{Paths: []string{"/x"}, Log: "x", Lines: line.Rules{Include: []string{"("}}}}, "h")
	if want := "file section 1: lines: include: bad regular expression \"(\": missing closing ): `(`"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestLinesAreChosenAndChanged(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		withRules(f, line.Rules{
			Include: []string{"INFO|WARN"}, Exclude: []string{"healthz"}, Prefix: "{host} {name}: ",
			Redact: []line.Redaction{{Pattern: `pw=\S+`, With: "pw=*"}},
		})
		f.up()
		f.write("app.log", "INFO a pw=1\nDEBUG b\nWARN healthz\nWARN c\r\nunfin")
		want := "web-7 app.log: INFO a pw=*\nweb-7 app.log: WARN c\r\n"
		f.wants("app", want)
		f.down()
		if got := f.counted; got["app"] != (line.Counts{NotIncluded: 1, Excluded: 1, Redacted: 1}) {
			t.Errorf("counted %+v", got)
		}
		f.write("app.log", "ished INFO\n")
		f.up()
		want += "web-7 app.log: unfinished INFO\n"
		f.wants("app", want)
	}, "*.log")
}

// TestDroppedLinesCostNoTransaction: their position waits for a batch, or for its time, whichever comes first.
func TestDroppedLinesCostNoTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := withRules(newFixture(t, "*.log").blind(), noDebug)
		defer f.down()
		f.cfg.PollInterval, f.cfg.ScanInterval = 10*time.Millisecond, 100*time.Millisecond
		f.up()
		f.write("app.log", "one\n")
		f.wants("app", "one\n")
		time.Sleep(time.Second)
		appends := func() (n int) { f.spool.do(func() { n = f.spool.appends }); return n }
		position := func() int64 { return f.checkpoints()[0].position }
		before := appends()
		for range 10 {
			f.write("app.log", "DEBUG\n")
			time.Sleep(100 * time.Millisecond)
		}
		if n, at := appends()-before, position(); n != 0 || at != 4 {
			t.Errorf("%d transactions, checkpoint at %d", n, at)
		}
		time.Sleep(saveDelay)
		if n, at := appends()-before, position(); n != 1 || at != 64 {
			t.Errorf("%d transactions after a while, checkpoint at %d; want 1, 64", n, at)
		}
		f.write("app.log", "DEBUG\ntwo\n")
		f.wants("app", "one\ntwo\n")
		time.Sleep(10 * time.Second)
		if n, at := appends()-before, position(); n != 2 || at != 74 {
			t.Errorf("%d transactions with the next batch, checkpoint at %d; want 2, 74", n, at)
		}
	})
}

// TestEndlessDroppedLinesAreSaved: a checkpoint is stored every few seconds though nothing is ever delivered.
func TestEndlessDroppedLinesAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := withRules(newFixture(t, "*.log").blind(), noDebug)
		defer f.down()
		f.cfg.PollInterval = 10 * time.Millisecond
		f.up()
		for range 100 {
			f.write("app.log", "DEBUG\n")
			time.Sleep(100 * time.Millisecond)
		}
		if at := f.checkpoints()[0].position; at < 6*70 {
			t.Errorf("after ten seconds the checkpoint is at %d of 600", at)
		}
	})
}

func TestDroppedEndOfRotatedFileIsSaved(t *testing.T) {
	f := withRules(newFixture(t, "app.log"), noDebug)
	f.cfg.Grace = 20 * time.Millisecond
	f.up()
	f.write("app.log", "one\nDEBUG\nDEBUG end")
	f.wants("app", "one\n")
	f.rename("app.log", "app.log.1")
	if !f.eventually(func() bool { return f.checkpoints()[0].position == 19 && f.source.Stats().Open == 0 }) {
		t.Errorf("the checkpoint is at %d, %d files are open", f.checkpoints()[0].position, f.source.Stats().Open)
	}
	f.wants("app", "one\n")
}

func TestEventWaitsForItsEnd(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		withRules(f, line.Rules{Multiline: dated, Prefix: "> "})
		f.up()
		f.write("app.log", "1 a\n b\n2 c\n")
		f.wants("app", "> 1 a\n b\n")
		f.write("app.log", " d\n")
		f.scans(3)
		f.down()
		f.write("app.log", " e\n")
		f.up()
		f.scans(3)
		f.wants("app", "> 1 a\n b\n")
		if c := f.checkpoints()[0]; c.position != 7 {
			t.Errorf("the checkpoint is at %d, not before the event", c.position)
		}
		f.write("app.log", "3")
		f.scans(3)
		f.wants("app", "> 1 a\n b\n")
		f.write("app.log", "\n")
		f.wants("app", "> 1 a\n b\n> 2 c\n d\n e\n")
	}, "*.log")
}

// TestEventTimesOut counts from when the file last grew.
func TestEventTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := withRules(newFixture(t, "*.log").blind(), line.Rules{Multiline: line.Multiline{Start: `^\d`}, Prefix: "> "})
		defer f.down()
		f.cfg.PollInterval, f.cfg.ScanInterval = 10*time.Millisecond, 100*time.Millisecond
		f.up()
		f.write("app.log", "1\n")
		for _, text := range []string{" a\n", " b\n", " unfin"} {
			time.Sleep(4 * time.Second)
			f.write("app.log", text)
		}
		time.Sleep(4900 * time.Millisecond)
		if got := f.spool.log("app"); got != "" {
			t.Errorf("%q was delivered too early", got)
		}
		time.Sleep(300 * time.Millisecond)
		if got := f.spool.log("app"); got != "> 1\n a\n b\n" {
			t.Errorf("got %q", got)
		}
		f.write("app.log", "ished\n2\n")
		time.Sleep(10 * time.Second)
		if got := f.spool.log("app"); got != "> 1\n a\n b\n>  unfinished\n> 2\n" {
			t.Errorf("got %q", got)
		}
	})
}

// TestEventGrowsAtTheLastMoment: what has come since the last look has its own time to wait.
func TestEventGrowsAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := withRules(newFixture(t, "*.log").blind(), line.Rules{Multiline: line.Multiline{Start: `^\d`}, Prefix: "> "})
		defer f.down()
		f.cfg.PollInterval, f.cfg.ScanInterval = 2*time.Second, time.Hour
		f.write("app.log", "1\n")
		f.up()
		time.Sleep(5500 * time.Millisecond)
		f.write("app.log", " a\n") // seen at 6s, when the event would be due
		time.Sleep(2 * time.Second)
		f.write("app.log", " b\n")
		time.Sleep(20 * time.Second)
		if got := f.spool.log("app"); got != "> 1\n a\n b\n" {
			t.Errorf("got %q", got)
		}
	})
}

// TestEventAtTheEndOfARotatedFile comes before the lines of the file that follows.
func TestEventAtTheEndOfARotatedFile(t *testing.T) {
	for timeout, last := range map[time.Duration]string{
		5 * time.Second: "> 3\n",
		time.Hour:       "", // the grace period bounds that only where the file is rotated
	} {
		synctest.Test(t, func(t *testing.T) {
			f := withRules(newFixture(t, "app.log").blind(), line.Rules{
				Multiline: line.Multiline{Start: `^\d`, Timeout: timeout}, Prefix: "> ",
			})
			defer f.down()
			f.cfg.PollInterval, f.cfg.ScanInterval, f.cfg.Grace = 10*time.Millisecond, 100*time.Millisecond, 10*time.Second
			f.up()
			f.write("app.log", "1\n a\n")
			time.Sleep(time.Second)
			f.rename("app.log", "app.log.1")
			f.write("app.log", "2\n b\n3\n")
			time.Sleep(time.Second)
			f.write("app.log.1", " late\n")
			time.Sleep(time.Minute)
			if got, want := f.spool.log("app"), "> 1\n a\n late\n> 2\n b\n"+last; got != want {
				t.Errorf("timeout %v: got %q, want %q", timeout, got, want)
			}
		})
	}
}

// TestEventsOfABacklog: files that were rotated while the agent was down don't hold each other up.
func TestEventsOfABacklog(t *testing.T) {
	f := withRules(newFixture(t, "app.log"), line.Rules{Multiline: line.Multiline{Start: `^\d`, Timeout: time.Minute}, Prefix: "> "})
	written := time.Now().Add(-time.Hour)
	write := func(text string) {
		f.write("app.log", text)
		written = written.Add(time.Minute)
		f.check(os.Chtimes(f.path("app.log"), written, written))
	}
	write("0\n1\n")
	f.up()
	f.wants("app", "> 0\n")
	f.down()
	want := "> 0\n"
	for i := 1; i < 10; i++ {
		f.rename("app.log", fmt.Sprintf("app.log-%08d", i))
		write(fmt.Sprintf("%d\n", i+1))
		want += fmt.Sprintf("> %d\n", i)
	}
	f.up()
	f.wants("app", want)
}

func TestEventOfADeletedFile(t *testing.T) {
	f := withRules(newFixture(t, "app.log"), line.Rules{Multiline: dated, Prefix: "> "})
	f.cfg.Grace = 30 * time.Millisecond
	f.up()
	f.write("app.log", "1\n a\n end")
	f.scans(2)
	f.remove("app.log")
	f.wants("app", "> 1\n a\n>  end\n")
}

// TestLargeEvent is larger than a read, and than a block's target.
func TestLargeEvent(t *testing.T) {
	f := newFixture(t, "app.log")
	withRules(f, line.Rules{Multiline: line.Multiline{Start: `^\d`, MaxLines: 1 << 20, MaxBytes: line.MaxEvent, Timeout: time.Hour}})
	f.cfg.MaxLine = 100
	f.cfg.chunk = 1000
	event := "1\n" + strings.Repeat(" some more text of it\n", 100_000)
	f.write("app.log", event+event+"2\n")
	f.up()
	f.wants("app", event+event)
	if n := len(f.spool.reached); n != 2 {
		t.Errorf("%d blocks for 2 events", n)
	}
}

// TestPrefixIsBounded: a batch does not grow with what is put before its lines.
func TestPrefixIsBounded(t *testing.T) {
	t.Parallel()
	f := withRules(newFixture(t, "app.log"), line.Rules{Prefix: strings.Repeat("p", 500)})
	largest := 0
	f.write("app.log", strings.Repeat("\n", 100_000))
	f.spool.appended = func() { largest = max(largest, f.spool.last) }
	f.up()
	f.wants("app", strings.Repeat(strings.Repeat("p", 500)+"\n", 100_000))
	f.down()
	if largest > maxBatch+block.TargetRawSize {
		t.Errorf("a batch of %d bytes", largest)
	}
}

func TestLongLineIsMarkedAndSaid(t *testing.T) {
	for _, r := range []line.Rules{{}, noDebug} {
		f := withRules(newFixture(t, "*.log"), r)
		f.cfg.MaxLine, f.cfg.CutMark = 10, "…"
		f.write("app.log", "before\n0123456789abcdefghijkl\nafter\n")
		f.up()
		f.wants("app", "before\n0123456789…\nabcdefghij…\nkl\nafter\n")
		if !strings.Contains(f.logged.String(), "offset=7 ") || f.source.Stats().LongLines != 1 {
			t.Errorf("%d long lines; it said %s", f.source.Stats().LongLines, f.logged)
		}
		f.down()
	}
}

// TestLongLineIsDroppedWhole though it comes in many reads.
func TestLongLineIsDroppedWhole(t *testing.T) {
	f := withRules(newFixture(t, "*.log"), noDebug)
	f.cfg.MaxLine, f.cfg.chunk = 10, 50
	f.up()
	f.write("app.log", "DEBUG"+strings.Repeat("x", 10_000))
	f.scans(2)
	f.write("app.log", strings.Repeat("y", 100))
	f.scans(2)
	f.write("app.log", "end\nafter\n")
	f.wants("app", "after\n")
}

// TestRulesModel writes random lines in random pieces while the source is restarted, and compares with what the rules
// make of the whole text at once.
func TestRulesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "tail-rules-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		f := newFixtureIn(t, dir, "app.log")
		f.spool.lottery = true
		f.patience = 4 * time.Second
		f.cfg.MaxLine, f.cfg.chunk = 1000, rapid.SampledFrom([]int{0, 1100}).Draw(t, "chunk")
		f.cfg.CarryCheckpoints = true
		r := line.Rules{
			Exclude: rapid.SliceOfN(rapid.SampledFrom([]string{"3$", "^.4", "(?m)7$", "."}), 0, 2).Draw(t, "exclude"),
			Prefix:  rapid.SampledFrom([]string{"", "> "}).Draw(t, "prefix"),
		}
		if rapid.Bool().Draw(t, "multiline") {
			r.Multiline = line.Multiline{Start: "^a", MaxLines: rapid.SampledFrom([]int{2, 500}).Draw(t, "max lines"), Timeout: time.Hour}
		}
		withRules(f, r)
		f.up()
		text := ""
		put := func(s string) {
			if len(text)+len(s)-strings.LastIndexByte(text, '\n') > f.cfg.MaxLine {
				s = "\n" + s // what is left of a longer line is judged anew by a source that goes on within it
			}
			f.write("app.log", s)
			text += s
		}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				f.down()
				f.up()
			case 1:
				put(strings.Repeat("padding ", rapid.IntRange(0, 60).Draw(t, "length")))
			default:
				put(fmt.Sprintf("%s%d\n", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "kind"), i))
			}
		}
		put("\na end\n")
		want, rest := processed(t, r, text)
		f.wants("app", want)
		all := f.spool.reached
		f.down()
		if len(all) == 0 {
			return
		}
		// The checkpoint of any block alone leads to all that is behind the block.
		one := rapid.SampledFrom(all).Draw(t, "block")
		f.spool, f.cfg.Spool = alone(one)
		f.up()
		f.wants("app", want[one.bytes:])
		f.down()
		if got := f.checkpoints()[0].position; got < 0 || got > int64(len(text)-rest) {
			t.Fatalf("the checkpoint is at %d, %d of %d bytes are an event that waits", got, rest, len(text))
		}
	})
}

// processed returns what the rules make of the text, and how many bytes of it still wait.
func processed(t tb, r line.Rules, text string) (out string, rest int) {
	p, err := line.New(r)
	if err != nil {
		t.Fatal(err)
	}
	var m line.Maker
	m.Begin(line.Source{Processor: p, MaxLine: 1000}, line.State{}, line.More)
	data := []byte(text + ".")[:len(text)]
	for {
		d, n := m.Next(nil, data)
		if n == 0 {
			return out, len(data)
		}
		out += string(d.Payload)
		data = data[n:]
	}
}

func BenchmarkReadExclude(b *testing.B) {
	const size = 64 << 20
	f := newFixture(b, "big.log")
	f.write("big.log", strings.Repeat("2026-01-01T00:00:00Z INFO request 4711 served in 12 ms for user af31\n", size/69))
	info, err := os.Stat(f.path("big.log"))
	f.check(err)
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		d := &discard{target: info.Size(), done: make(chan struct{})}
		cfg := withRules(f, noDebug).cfg
		cfg.Spool = d
		s, err := New(cfg)
		f.check(err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		<-d.done
		cancel()
		<-ended
	}
}
