package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// fleet is our three programs, built.
type fleet struct {
	bin string // the folder of the programs
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
	compression string // of the agent's blocks
	store       string // of the Scribe's files
	size        string // at which they are rotated
}

const logName = "bench/app"

// lay prepares mediator, Scribe and agent in the folder: the agent tails the input and sends it through the mediator to
// the Scribe. Everything else is as by default, so all of it is synced before it is acknowledged.
func (f fleet) lay(dir, in string, s settings) (*pipeline, error) {
	mediator, addr, err := f.mediator(dir)
	if err != nil {
		return nil, err
	}
	scribe, err := f.scribe(dir, addr, s)
	if err != nil {
		return nil, err
	}
	agent, err := f.agent(dir, addr, in, s)
	if err != nil {
		return nil, err
	}
	active := filepath.Join(scribe.dir, "root", logName+".log")
	if s.store == "zstd" {
		active += ".zst"
	}
	return &pipeline{
		programs: []*program{mediator, scribe, agent}, out: newOutput(active),
		settles: true, unsent: "lines stay in the spool",
	}, nil
}

func (f fleet) mediator(dir string) (p *program, addr string, err error) {
	p, port, err := f.program(dir, "mediator", "scribe-mediator")
	if err != nil {
		return nil, "", err
	}
	p.args = []string{"-host", "127.0.0.1", "-port", strconv.Itoa(port), "-data", filepath.Join(p.dir, "data")}
	addr = "127.0.0.1:" + strconv.Itoa(port)
	p.ready = func() error { return p.awaitPort(addr) }
	return p, addr, nil
}

func (f fleet) scribe(dir, mediator string, s settings) (*program, error) {
	p, port, err := f.program(dir, "scribe", "scribe")
	if err != nil {
		return nil, err
	}
	p.args = []string{"-host", "127.0.0.1", "-port", strconv.Itoa(port), "-id", "scribe", "-mediator", mediator,
		"-path", filepath.Join(p.dir, "root"), "-size", s.size, "-store", s.store, "-durability", "power-loss"}
	p.ready = func() error {
		return p.await("registers with the mediator", func() bool { return p.said("msg=registered") })
	}
	return p, nil
}

func (f fleet) agent(dir, mediator, in string, s settings) (*program, error) {
	p, _, err := f.program(dir, "agent", "scribe-agent")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(p.dir, "agent.toml")
	text := fmt.Sprintf("mediators = [%q]\n[spool]\npath = %q\ncompression = %q\n[[file]]\npaths = [%q]\nlog = %q\n",
		mediator, filepath.Join(p.dir, "spool.db"), s.compression, in, logName)
	p.args = []string{"-config", config}
	return p, os.WriteFile(config, []byte(text), 0o600)
}

func (f fleet) program(dir, name, bin string) (*program, int, error) {
	p := &program{name: name, bin: filepath.Join(f.bin, bin), dir: filepath.Join(dir, name)}
	port, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	return p, port, os.Mkdir(p.dir, 0o750)
}
