package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// fleet is our three programs, built.
type fleet struct {
	bin      string // the folder of the programs
	profiles string // a folder for their CPU profiles; "" for none
}

// buildFleet builds the programs of this module into a folder.
func buildFleet(dir string) (fleet, error) {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fleet{}, fmt.Errorf("go env GOMOD: %w", err)
	}
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/...")
	build.Dir = filepath.Dir(strings.TrimSpace(string(gomod)))
	if out, err := build.CombinedOutput(); err != nil {
		return fleet{}, fmt.Errorf("go build ./cmd/...: %w\n%s", err, out)
	}
	return fleet{bin: dir}, nil
}

// settings are those in which our forms differ.
type settings struct {
	compression string        // of the agent's blocks
	store       string        // of the Scribe's files
	size        string        // at which they are rotated
	scribes     int           // 0 is one
	roundTrip   time.Duration // between agents and mediator
}

// plain is one plain file for each log.
var plain = settings{compression: "s2", store: "plain", size: "-1B"}

// lay prepares a mediator, Scribes, and an agent for each group of inputs in the folder: the agents tail the inputs and
// send them through the mediator to the Scribes. Everything else is as by default, so all of it is synced before it is
// acknowledged. The names of all inputs must differ.
func (f fleet) lay(dir string, groups [][]input, s settings) (*pipeline, error) {
	mediator, addr, err := f.mediator(dir)
	if err != nil {
		return nil, err
	}
	p := &pipeline{servers: []*program{mediator}, settles: true, unsent: "lines stay in the spool"}
	var roots []string
	for i := range max(s.scribes, 1) {
		scribe, err := f.scribe(dir, i, addr, s)
		if err != nil {
			return nil, err
		}
		p.servers = append(p.servers, scribe)
		roots = append(roots, filepath.Join(scribe.dir, "root", "bench"))
	}
	if s.roundTrip > 0 {
		if p.way, err = newDelayer(addr, s.roundTrip/2); err != nil {
			return nil, err
		}
		addr = p.way.addr()
	}
	ending := map[string]string{"plain": ".log", "zstd": ".log.zst"}[s.store]
	for i, group := range groups {
		agent, err := f.agent(dir, i, addr, group, s)
		if err != nil {
			return nil, err
		}
		p.readers = append(p.readers, agent)
		for _, in := range group {
			out := newOutput(stem(in.path)+ending, roots...)
			out.single = s.size == "-1B"
			p.cargo = append(p.cargo, cargo{in, out})
		}
	}
	return p, nil
}

func (f fleet) mediator(dir string) (p *program, addr string, err error) {
	p, port, err := f.program(dir, "mediator", "scribe-mediator", 0)
	if err != nil {
		return nil, "", err
	}
	p.args = []string{"-host", "127.0.0.1", "-port", strconv.Itoa(port), "-data", filepath.Join(p.dir, "data")}
	addr = "127.0.0.1:" + strconv.Itoa(port)
	p.ready = func() error { return p.awaitPort(addr) }
	return p, addr, nil
}

func (f fleet) scribe(dir string, i int, mediator string, s settings) (*program, error) {
	p, port, err := f.program(dir, "scribe", "scribe", i)
	if err != nil {
		return nil, err
	}
	p.args = []string{"-host", "127.0.0.1", "-port", strconv.Itoa(port), "-id", filepath.Base(p.dir), "-mediator", mediator,
		"-path", filepath.Join(p.dir, "root"), "-size", s.size, "-store", s.store, "-durability", "power-loss"}
	p.ready = func() error {
		return p.await("registers with the mediator", func() bool { return p.said("msg=registered") })
	}
	return p, nil
}

func (f fleet) agent(dir string, i int, mediator string, inputs []input, s settings) (*program, error) {
	p, _, err := f.program(dir, "agent", "scribe-agent", i)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("mediators = [%q]\n[spool]\npath = %q\ncompression = %q\n[[file]]\nlog = \"bench/{stem}\"\npaths = [\n",
		mediator, filepath.Join(p.dir, "spool.db"), s.compression)
	for _, path := range globsOf(inputs) {
		text += fmt.Sprintf("%q,\n", path)
	}
	config := filepath.Join(p.dir, "agent.toml")
	p.args = []string{"-config", config}
	return p, os.WriteFile(config, []byte(text+"]\n"), 0o600)
}

// fewPaths is the number of inputs up to which an agent's configuration names each.
const fewPaths = 100

// globsOf returns what an agent is told to tail: the inputs, or if they are many, all logs in their folder.
func globsOf(inputs []input) (globs []string) {
	if len(inputs) > fewPaths {
		return []string{filepath.Join(filepath.Dir(inputs[0].path), "*.log")}
	}
	for _, in := range inputs {
		globs = append(globs, in.path)
	}
	return globs
}

// program makes a program that works in a folder of its own.
func (f fleet) program(dir, name, bin string, i int) (*program, int, error) {
	p := &program{
		name: name, bin: filepath.Join(f.bin, bin), dir: filepath.Join(dir, fmt.Sprintf("%s%d", name, i+1)), profiles: f.profiles,
	}
	port, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	return p, port, os.Mkdir(p.dir, 0o750)
}

// stem returns the name of a file without folder and extension.
func stem(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}
