package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestOneScribeDown: the logs of a Scribe that is down or hung wait, those of the other go on. After a new start of
// the mediator every log has the owner that it had.
func TestOneScribeDown(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*proc){
		"Killed":  (*proc).kill,
		"Stopped": (*proc).stop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, &normal)
			mediator := c.addMediator()
			c.addScribe(mediator, "-size", "20kB")
			c.addScribe(mediator, "-size", "20kB")
			files, wants := c.manyLogs(mediator, 16)
			within(t, 20*time.Second, "the first lines", func() bool { return c.arrived(wants) })
			up, down := c.byOwner(wants)

			fail(c.scribes[1])
			c.addTo(files, 100)
			within(t, 4*time.Second, "the logs of the Scribe that is up", func() bool { return c.arrived(up) })
			c.addTo(files, 100)
			within(t, 4*time.Second, "more of them", func() bool { return c.arrived(up) })
			if slices.ContainsFunc(down, func(e expectation) bool { return c.arrived([]expectation{e}) }) {
				t.Error("a log of the Scribe that is down has grown")
			}

			c.mediator.kill()
			c.mediator.start()
			c.addTo(files, 100)
			within(t, 20*time.Second, "the mediator starts again", func() bool { return c.arrived(up) })
			if c.scribes[1].running() {
				c.scribes[1].cont()
			} else {
				c.scribes[1].start()
			}
			c.check(wants, patience)
		})
	}
}

// manyLogs starts an agent with n files, each of them a log, and writes first lines.
func (c *cluster) manyLogs(mediator string, n int) (files []*appended, wants []expectation) {
	c.t.Helper()
	return c.manyLogsIn(mediator, c.spool("agent1"), n)
}

// manyLogsIn is manyLogs with the spool at that path.
func (c *cluster) manyLogsIn(mediator, spool string, n int) (files []*appended, wants []expectation) {
	c.t.Helper()
	for i := range n {
		f := newAppended(c.t, c.path(fmt.Sprintf("app%d.log", i)))
		f.add(10 + i)
		files = append(files, f)
		wants = append(wants, f.expectation(fmt.Sprintf("many/app%d", i)))
	}
	agent := c.newAgent(mediator, []tailed{{paths: []string{c.path("*.log")}, log: "many/{stem}"}})
	agent.args = append(agent.args, "-spool", spool)
	agent.start()
	return files, wants
}

func (c *cluster) addTo(files []*appended, lines int) {
	c.t.Helper()
	for _, f := range files {
		f.add(lines)
	}
}

// byOwner sorts logs by the one of two Scribes that writes them.
func (c *cluster) byOwner(all []expectation) (first, second []expectation) {
	c.t.Helper()
	for _, e := range all {
		if rootOf(c.roots, e.log) == c.roots[0] {
			first = append(first, e)
		} else {
			second = append(second, e)
		}
	}
	if len(first) == 0 || len(second) == 0 {
		c.t.Fatalf("%d and %d logs", len(first), len(second))
	}
	return first, second
}

// TestFailover: the logs of a Scribe that stays down go on at another one. Lines whose receipt the dead one still owed
// may stand in both; none is missing, and when it comes back it writes no more of them.
func TestFailover(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator("-failover-after", "1s", "-health-interval", "500ms")
	c.addScribe(mediator, "-size", "-1B")
	c.addScribe(mediator, "-size", "-1B")
	files, wants := c.manyLogs(mediator, 16)
	within(t, 20*time.Second, "the first lines", func() bool { return c.arrived(wants) })
	_, moved := c.byOwner(wants)

	c.addTo(files, 1000)
	c.scribes[1].kill()
	c.addTo(files, 100)
	within(t, 30*time.Second, "all lines", func() bool { return c.arrived(wants) && c.allAt(0, moved) })
	before := c.sizesAt(1, moved)
	c.scribes[1].start()
	c.addTo(files, 100)
	within(t, 30*time.Second, "more lines", func() bool { return c.arrived(wants) && c.allAt(0, moved) })
	c.stopAll(stopLimit)
	for i, after := range c.sizesAt(1, moved) {
		if after > before[i] { // less than before where it was killed with uncommitted bytes
			t.Errorf("the former owner has written on: log %s had %d bytes there, and now %d", moved[i].log, before[i], after)
		}
	}
	for _, e := range wants {
		former, now := output(t, c.roots[1:], e.log), output(t, c.roots[:1], e.log)
		if !slices.ContainsFunc(moved, func(m expectation) bool { return m.log == e.log }) {
			former = nil
		}
		joined := append(former, now[overlap(former, now):]...)
		if d := compare(e, joined); d != nil {
			t.Error(d)
		}
	}
}

// allAt says whether the Scribe's files of the logs hold the ends of what was written.
func (c *cluster) allAt(scribe int, all []expectation) bool {
	for _, e := range all {
		want, got := e.sources[0].bytes(), output(c.t, c.roots[scribe:scribe+1], e.log)
		if len(got) == 0 || !bytes.HasSuffix(want, got) {
			return false
		}
	}
	return true
}

func (c *cluster) sizesAt(scribe int, all []expectation) []int64 {
	var sizes []int64
	for _, e := range all {
		sizes = append(sizes, outputSize(c.t, c.roots[scribe:scribe+1], e.log))
	}
	return sizes
}

// overlap returns the length of the longest beginning of b that a ends with.
func overlap(a, b []byte) int {
	for n := min(len(a), len(b)); n > 0; n-- {
		if bytes.HasSuffix(a, b[:n]) {
			return n
		}
	}
	return 0
}
