package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// backlog lets the agent spool all lines while there is no Scribe, and measures how long it takes from when one is there
// until all have arrived; and what the spool took of the disk.
func backlog(ctx context.Context, b *bench, dir string) (run, error) {
	p, err := b.fleet.lay(dir, [][]input{{b.input}}, plain)
	if err != nil {
		return run{}, err
	}
	defer p.kill()
	mediator, scribe, agent := p.servers[0], p.servers[1], p.readers[0]
	if err := startAll([]*program{mediator, agent}); err != nil {
		return run{}, err
	}
	if err := b.fleet.awaitSpooled(ctx, agent, b.input.lines); err != nil {
		return run{}, err
	}
	spooled, err := spoolBytes(agent)
	if err != nil {
		return run{}, err
	}
	if err := scribe.start(); err != nil {
		return run{}, err
	}
	took, err := p.settle(ctx, time.Now())
	if err != nil {
		return run{}, err
	}
	r, err := p.finished(took)
	r.Spool = float64(spooled) / float64(b.input.bytes)
	return r, err
}

// awaitSpooled waits until so many lines are in the agent's spool.
func (f fleet) awaitSpooled(ctx context.Context, agent *program, lines int) error {
	before, grown := 0, time.Now()
	for {
		n, err := f.spooled(agent)
		if err != nil {
			return err
		}
		if n >= lines {
			return nil
		}
		if n > before {
			before, grown = n, time.Now()
		}
		if time.Since(grown) > patience {
			return fmt.Errorf("%d of %d lines are in the spool, and no more come%s", n, lines, agent.lastWords())
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// spooled returns how many lines wait in the agent's spool.
func (f fleet) spooled(agent *program) (int, error) {
	out, err := exec.Command(agent.bin, "spool", "inspect", "-json", filepath.Join(agent.dir, "spool.db")).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(out) == 0 {
			return 0, nil // it is not there yet
		}
		return 0, fmt.Errorf("spool inspect: %w", err)
	}
	var report struct {
		Logs []struct{ Lines int }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, fmt.Errorf("spool inspect: %w", err)
	}
	sum := 0
	for _, l := range report.Logs {
		sum += l.Lines
	}
	return sum, nil
}

// spoolBytes returns what the spool's files take of the disk.
func spoolBytes(agent *program) (int64, error) {
	files, err := filepath.Glob(filepath.Join(agent.dir, "spool.db*"))
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		if !info.IsDir() {
			sum += info.Size()
		}
	}
	return sum, nil
}
