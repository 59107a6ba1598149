package e2e

import (
	"os"
	"testing"
	"time"
)

// appended is a file to which a test appends lines.
type appended struct {
	t       testing.TB
	file    *os.File
	written []byte
	lines   int
}

func newAppended(t testing.TB, path string) *appended {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &appended{t: t, file: f}
}

// add appends the next n lines of the corpus.
func (a *appended) add(n int) {
	a.t.Helper()
	lines := realistic().lines
	var more []byte
	for range n {
		more = append(more, lines[a.lines%len(lines)]...)
		a.lines++
	}
	a.written = append(a.written, more...)
	if _, err := a.file.Write(more); err != nil {
		a.t.Fatal(err)
	}
}

func (a *appended) expectation(log string) expectation {
	return expectation{log: log, sources: []source{{bytes: func() []byte { return a.written }}}}
}

// TestReceiptLost cuts a wire after the Scribe has committed lines and sent their receipt, and before that arrives.
func TestReceiptLost(t *testing.T) {
	t.Parallel()
	for name, wiring := range map[string]func(*cluster) (destination string, wire *proxy){
		"AgentMediator": func(c *cluster) (string, *proxy) {
			mediator := c.addMediator()
			c.addScribe(mediator, "-size", "50kB")
			wire := newProxy(c.t, mediator)
			return wire.addr(), wire
		},
		"MediatorScribe": func(c *cluster) (string, *proxy) {
			mediator := c.addMediator()
			wire := newProxy(c.t, "")
			scribe, _ := c.addScribe(mediator, "-size", "50kB", "-advertise", wire.addr())
			wire.setTarget(scribe)
			return mediator, wire
		},
		"AgentScribe": func(c *cluster) (string, *proxy) {
			scribe, _ := c.addScribe("", "-size", "50kB")
			wire := newProxy(c.t, scribe)
			return wire.addr(), wire
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, &normal)
			destination, wire := wiring(c)
			const log = "lost/receipt"
			file := newAppended(t, c.path("app.log"))
			c.addAgent(destination, []tailed{{paths: []string{c.path("app.log")}, log: log}})
			want := []expectation{file.expectation(log)}
			for range 5 {
				file.add(50)
				within(t, 20*time.Second, "lines over a sound wire", func() bool { return c.arrived(want) })
				wire.setDeaf()
				file.add(500)
				within(t, 20*time.Second, "a receipt", func() bool { return wire.hasSwallowed(log) })
				wire.cut()
			}
			file.add(1)
			c.check(want, patience)
		})
	}
}
