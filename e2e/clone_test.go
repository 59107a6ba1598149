package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// tagged writes n lines that begin with the tag, and returns their file.
func (c *cluster) tagged(tag string, n int) (path string) {
	c.t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%s %d %s\n", tag, i, strings.Repeat("x", i%200))
	}
	path = c.path(tag)
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// taggedExpectation expects a log to hold the lines of files that were made by tagged.
func (c *cluster) taggedExpectation(log string, tags ...string) expectation {
	c.t.Helper()
	e := expectation{log: log}
	for _, tag := range tags {
		text, err := os.ReadFile(c.path(tag))
		if err != nil {
			c.t.Fatal(err)
		}
		e.sources = append(e.sources, source{tag: tag + " ", bytes: func() []byte { return text }})
	}
	return e
}

// reads starts an agent that reads a file through a pipe.
func (c *cluster) reads(name, destination, spool, file string) *proc {
	c.t.Helper()
	p := c.other("scribe-agent", name, "-mediator", destination, "-log", "web/access", "-spool", spool, "-drain-timeout", "20s")
	pipe(c.t, p, file)
	p.start()
	return p
}

// end waits until the programs have delivered all that they read.
func (c *cluster) end(programs ...*proc) {
	c.t.Helper()
	for _, p := range programs {
		if code := p.wait(40 * time.Second); code != 0 {
			c.t.Fatalf("%s: exit code %d\n%s", p.name, code, p.tail())
		}
	}
}

// copyTo copies a file. A file that exists already stays the same one.
func (c *cluster) copyTo(to, from string) {
	c.t.Helper()
	all, err := os.ReadFile(from)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(to, all, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// TestClonedSpool clones the spool of an agent that has delivered some lines and was stopped with a backlog, and lets both
// run at once.
func TestClonedSpool(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator()
	c.addScribe(mediator, "-size", "200kB")
	spool, cloned := c.path("spool.db"), c.path("cloned.db")
	c.end(c.reads("first", mediator, spool, c.tagged("delivered", 3000)))

	nobody := freeAddr(t)
	stopped := c.other("scribe-agent", "stopped", "-mediator", nobody, "-log", "web/access", "-spool", spool, "-drain-timeout", "1ms")
	pipe(t, stopped, c.tagged("shared", 20_000))
	stopped.start()
	if code := stopped.wait(20 * time.Second); code != 1 {
		t.Fatalf("exit code %d\n%s", code, stopped.tail())
	}
	c.copyTo(cloned, spool)
	c.end(c.reads("original", mediator, spool, c.tagged("ofOriginal", 20_000)),
		c.reads("clone", mediator, cloned, c.tagged("ofClone", 20_000)))
	c.check([]expectation{c.taggedExpectation("web/access", "delivered", "shared", "ofOriginal", "ofClone")}, patience)
}

// TestClonedWhileItRuns clones the spool of an agent that is running, with a backlog, and goes on.
func TestClonedWhileItRuns(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator()
	c.addScribe(mediator, "-size", "200kB")
	spool, cloned := c.path("spool.db"), c.path("cloned.db")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	original := c.other("scribe-agent", "original", "-mediator", mediator, "-log", "web/access", "-spool", spool)
	original.stdin = r
	original.start()
	write := func(tag string, n int) {
		text, err := os.ReadFile(c.tagged(tag, n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	write("delivered", 100)
	within(t, 20*time.Second, "the first lines arrive", func() bool { return c.arrived([]expectation{c.taggedExpectation("web/access", "delivered")}) })
	c.mediator.kill()
	write("shared", 3000)
	within(t, 20*time.Second, "a backlog", func() bool {
		original.stop()
		defer original.cont()
		c.copyTo(cloned, spool)
		return linesIn(t, cloned) >= 3000
	})
	write("ofOriginal", 5000)
	c.mediator.start()
	clone := c.reads("clone", mediator, cloned, c.tagged("ofClone", 5000))
	w.Close()
	c.end(original, clone)
	c.check([]expectation{c.taggedExpectation("web/access", "delivered", "shared", "ofOriginal", "ofClone")}, patience)
}

// TestSpoolPutBackInPlace runs agents on a spool whose content was put back to an earlier state in between.
func TestSpoolPutBackInPlace(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]int{"fewer new lines": 100, "more new lines": 9000} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, &normal)
			scribe, _ := c.addScribe("", "-size", "200kB")
			spool, saved := c.path("spool.db"), c.path("saved.db")
			c.end(c.reads("first", scribe, spool, c.tagged("before", 1000)))
			c.copyTo(saved, spool)
			c.end(c.reads("second", scribe, spool, c.tagged("between", 3000)))
			c.copyTo(spool, saved)
			third := c.reads("third", scribe, spool, c.tagged("after", lines))
			c.end(third)
			if !third.saw("an earlier state of it was put back") {
				t.Errorf("it was not said\n%s", third.tail())
			}
			c.check([]expectation{c.taggedExpectation("web/access", "before", "between", "after")}, patience)
		})
	}
}

// TestHugeLine pipes a line of 100 MiB between two others.
func TestHugeLine(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	scribe, _ := c.addScribe("", "-size", "-1")
	text := append([]byte("before\n"), make([]byte, 100<<20)...)
	text = append(text, "\nafter\n"...)
	if err := os.WriteFile(c.path("input"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var want []byte
	want = append(want, "before\n"...)
	for range 100 { // in pieces of the limit, each of them a line
		want = append(append(want, make([]byte, 1<<20)...), '\n')
	}
	want = append(want, "after\n"...)
	c.end(c.reads("agent", scribe, c.path("spool.db"), c.path("input")))
	c.check([]expectation{{log: "web/access", sources: []source{{bytes: func() []byte { return want }}}}}, patience)
}
