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
	return drain(ctx, b, dir, func(*meter) (*latency, error) { return nil, nil })
}

// backlogLive does the same, and measures how long single lines of another log take meanwhile.
func backlogLive(ctx context.Context, b *bench, dir string) (run, error) {
	return drain(ctx, b, dir, func(m *meter) (*latency, error) { return m.beside(ctx) })
}

// drain calls meanwhile when the Scribe has come up.
func drain(ctx context.Context, b *bench, dir string, meanwhile func(*meter) (*latency, error)) (run, error) {
	live := filepath.Join(dir, "live.log")
	file, err := os.Create(live)
	if err != nil {
		return run{}, err
	}
	defer file.Close()
	p, err := b.fleet.lay(dir, [][]input{{b.input, {path: live}}}, plain)
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
	began := time.Now()
	if err := scribe.start(); err != nil {
		return run{}, err
	}
	found, err := meanwhile(&meter{pipeline: p, in: &p.cargo[1].in, lines: b.corpus(), file: file})
	if err != nil {
		return run{}, err
	}
	took, err := p.settle(ctx, began)
	if err != nil {
		return run{}, err
	}
	r, err := p.finished(took)
	r.Spool, r.Latency = float64(spooled)/float64(b.input.bytes), found
	return r, err
}

// beside times single lines from when the backlog has begun to arrive until all of it is there.
func (m *meter) beside(ctx context.Context) (*latency, error) {
	big, small := m.pipeline.cargo[0], m.pipeline.cargo[1].out
	arrived := func() int64 {
		n, err := big.out.size()
		if err != nil {
			return big.in.bytes // settle says what is wrong
		}
		return n
	}
	if err := until(ctx, func() bool { return arrived() > 0 }); err != nil {
		return nil, err
	}
	if err := m.append(m.lines.next(nil)); err != nil {
		return nil, err
	}
	var files []string
	if err := until(ctx, func() bool { files, _ = small.files(); return len(files) > 0 }); err != nil {
		return nil, err
	}
	var err error
	if m.arrived, err = os.Open(files[0]); err != nil {
		return nil, err
	}
	defer m.arrived.Close()
	var took []time.Duration
	for arrived() < big.in.bytes {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
		t, err := m.one()
		if err != nil {
			return nil, err
		}
		took = append(took, t)
	}
	if len(took) == 0 {
		return nil, errors.New("all had arrived before the first single line: use more -lines")
	}
	return m.latency(took), nil
}

// until waits until the condition holds, no longer than patience.
func until(ctx context.Context, holds func() bool) error {
	for began := time.Now(); !holds(); {
		if time.Since(began) > patience {
			return fmt.Errorf("nothing has arrived within %v", patience)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
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

// spoolBytes returns the sizes of the spool's files together.
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
