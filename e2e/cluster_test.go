package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// stopLimit is how long a program may take to stop.
const stopLimit = 2 * time.Second

// cluster is the programs of one test, and the folder in which they work. The folder stays if the test fails.
type cluster struct {
	t     testing.TB
	build *build
	dir   string
	env   []string // of all programs, beside a few that they need

	mediator *proc
	scribes  []*proc
	agents   []*proc
	others   []*proc
	roots    []string // of the Scribes
}

func newCluster(t testing.TB, b *build) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "logscribe-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, build: b, dir: dir}
	t.Cleanup(c.cleanUp)
	return c
}

func (c *cluster) cleanUp() {
	for _, p := range c.procs() {
		p.cleanUp()
	}
	if !c.t.Failed() {
		os.RemoveAll(c.dir)
		return
	}
	c.t.Logf("everything is kept in %s", c.dir)
	for _, p := range c.procs() {
		c.t.Log(p.tail())
	}
}

// procs returns all programs in the order in which they may be stopped.
func (c *cluster) procs() []*proc {
	all := slices.Concat(c.agents, c.others)
	if c.mediator != nil {
		all = append(all, c.mediator)
	}
	return append(all, c.scribes...)
}

// procNamed returns the program of that name.
func (c *cluster) procNamed(name string) *proc {
	c.t.Helper()
	for _, p := range c.procs() {
		if p.name == name {
			return p
		}
	}
	c.t.Fatalf("no program %s", name)
	return nil
}

func (c *cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

// proc makes a program that is not started yet.
func (c *cluster) proc(program, name string, args ...string) *proc {
	c.t.Helper()
	dir := c.path(name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		c.t.Fatal(err)
	}
	return &proc{
		t: c.t, name: name, bin: c.build.bin(c.t, program), args: args, env: c.env, dir: dir,
		logFile: filepath.Join(dir, "stderr"), outFile: filepath.Join(dir, "stdout"),
	}
}

// other makes a program that is started for one purpose.
func (c *cluster) other(program, name string, args ...string) *proc {
	c.t.Helper()
	p := c.proc(program, name, args...)
	c.others = append(c.others, p)
	return p
}

// addMediator starts the mediator and returns its address.
func (c *cluster) addMediator(args ...string) (addr string) {
	c.t.Helper()
	addr = freeAddr(c.t)
	host, port, _ := net.SplitHostPort(addr)
	c.mediator = c.proc("scribe-mediator", "mediator", append([]string{"-host", host, "-port", port, "-data", c.path("mediator", "data")}, args...)...)
	c.mediator.start()
	c.awaitListening(c.mediator, addr)
	return addr
}

// addScribe starts a Scribe, for that mediator if it is not empty, and returns its address and its root.
func (c *cluster) addScribe(mediator string, args ...string) (addr, root string) {
	c.t.Helper()
	addr = freeAddr(c.t)
	host, port, _ := net.SplitHostPort(addr)
	name := fmt.Sprintf("scribe%d", len(c.scribes)+1)
	root = c.path(name, "root")
	flags := []string{"-host", host, "-port", port, "-path", root, "-id", name}
	if mediator != "" {
		flags = append(flags, "-mediator", mediator)
	}
	p := c.proc("scribe", name, append(flags, args...)...)
	c.scribes = append(c.scribes, p)
	c.roots = append(c.roots, root)
	p.start()
	c.awaitListening(p, addr)
	if mediator != "" {
		within(c.t, 15*time.Second, name+" registers", func() bool { return p.saw("msg=registered") })
	}
	return addr, root
}

// tailed is a [[file]] table.
type tailed struct {
	paths []string
	log   string
	start string // "" is the default
}

// addAgent starts an agent that tails files. The lines go before the first table of its configuration.
func (c *cluster) addAgent(destination string, files []tailed, lines ...string) *proc {
	c.t.Helper()
	p := c.newAgent(destination, files, lines...)
	p.start()
	return p
}

func (c *cluster) newAgent(destination string, files []tailed, lines ...string) *proc {
	c.t.Helper()
	name := fmt.Sprintf("agent%d", len(c.agents)+1)
	p := c.proc("scribe-agent", name, "-config", c.path(name, "agent.toml"))
	text := fmt.Sprintf("name = %q\nmediators = [%q]\n", name, destination)
	for _, line := range lines {
		text += line + "\n"
	}
	text += fmt.Sprintf("[spool]\npath = %q\n", c.spool(name))
	for _, f := range files {
		text += fmt.Sprintf("[[file]]\npaths = %s\nlog = %q\n", tomlStrings(f.paths), f.log)
		if f.start != "" {
			text += fmt.Sprintf("start = %q\n", f.start)
		}
	}
	if err := os.WriteFile(c.path(name, "agent.toml"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.agents = append(c.agents, p)
	return p
}

func tomlStrings(list []string) string {
	text := "["
	for _, s := range list {
		text += fmt.Sprintf("%q, ", s)
	}
	return text + "]"
}

// spool returns the path of an agent's spool.
func (c *cluster) spool(agent string) string { return c.path(agent, "spool.db") }

// awaitListening waits until the program accepts connections.
func (c *cluster) awaitListening(p *proc, addr string) {
	c.t.Helper()
	ok := eventually(15*time.Second, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil || !p.running()
	})
	if !ok || !p.running() {
		c.t.Fatalf("%s does not listen on %s\n%s", p.name, addr, p.tail())
	}
}

// stopAll stops all programs that run, and fails the test for each that does not stop cleanly.
func (c *cluster) stopAll(limit time.Duration) {
	c.t.Helper()
	for _, p := range c.procs() {
		if p.running() {
			p.terminate(limit)
		}
	}
}

// arrived says whether the logs' files have the sizes that they must have in the end, or more.
func (c *cluster) arrived(all []expectation) bool {
	for _, e := range all {
		if outputSize(c.t, c.roots, e.log) < e.size() {
			return false
		}
	}
	return true
}

// await waits until everything has arrived, or until nothing has changed for as long as patience.
func (c *cluster) await(all []expectation, patience time.Duration) {
	c.t.Helper()
	sizes, since := map[string]int64{}, time.Now()
	eventually(time.Hour, func() bool {
		now := map[string]int64{}
		for _, e := range all {
			now[e.log] = outputSize(c.t, c.roots, e.log)
		}
		if !maps.Equal(now, sizes) {
			sizes, since = now, time.Now()
		}
		return c.arrived(all) || time.Since(since) > patience
	})
}

// differences compares all logs with what was written to them.
func (c *cluster) differences(all []expectation) []*difference {
	var found []*difference
	for _, e := range all {
		if d := compare(e, output(c.t, c.roots, e.log)); d != nil {
			found = append(found, d)
		}
	}
	return found
}

// check waits until everything has arrived, stops all programs, and compares every byte.
func (c *cluster) check(all []expectation, patience time.Duration) {
	c.t.Helper()
	c.await(all, patience)
	if c.arrived(all) {
		c.stopAll(stopLimit)
		for _, e := range all {
			for _, d := range unreadable(c.t, c.roots, e.log) {
				c.t.Error(d)
			}
		}
	}
	for _, d := range c.differences(all) {
		c.t.Error(d)
	}
}

// fileExpectation expects a log to hold what a file holds.
func fileExpectation(t testing.TB, log, file string) expectation {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return expectation{log: log, sources: []source{{bytes: func() []byte { return text }}}}
}
