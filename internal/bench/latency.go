package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// latency is how long single lines took from before write(2) until the file that they arrive in had grown by them, and
// what the programs cost while nothing was written.
type latency struct {
	Lines int     `json:"lines"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
	// LookP50 and LookP99 are the time from one look at the file to the next: a latency may be shorter by that much.
	LookP50     float64 `json:"look_p50_ms"`
	LookP99     float64 `json:"look_p99_ms"`
	Idle        []idle  `json:"idle"`
	IdleSeconds float64 `json:"idle_seconds"` // for which it was measured
}

// idle is the share of one core that a program took while nothing was written.
type idle struct {
	Program string  `json:"program"`
	Percent float64 `json:"percent"`
}

const (
	look     = 50 * time.Microsecond // between looks at the file, and what the system adds
	lineWait = 10 * time.Second      // after which a line is lost
)

// liveLatency measures single lines that are appended to a file while the pipeline is idle.
func liveLatency(lay lay) func(context.Context, *bench, string) (run, error) {
	return func(ctx context.Context, b *bench, dir string) (run, error) {
		in := filepath.Join(dir, "live.log")
		p, err := lay(b, dir, in)
		if err != nil {
			return run{}, err
		}
		defer p.kill()
		m := &meter{pipeline: p, in: input{path: in}, lines: b.corpus()}
		if m.file, err = os.OpenFile(in, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err != nil {
			return run{}, err
		}
		defer m.file.Close()
		if err := m.start(ctx); err != nil {
			return run{}, err
		}
		defer m.arrived.Close()
		found, err := m.measure(ctx, b)
		if err != nil {
			return run{}, err
		}
		if err := p.stop(); err != nil {
			return run{}, err
		}
		d, err := compare(m.in, p.out)
		return run{Lines: m.in.lines, Bytes: m.in.bytes, Difference: d, Programs: p.usages(), Latency: found}, err
	}
}

// meter appends lines to a file and watches them arrive.
type meter struct {
	pipeline *pipeline
	lines    corpus
	in       input
	file     *os.File // that the pipeline reads
	arrived  *os.File // that it writes
	looks    []time.Duration
}

// start starts the pipeline, and waits until a first line has passed it.
func (m *meter) start(ctx context.Context) error {
	if err := m.append(m.lines.next(nil)); err != nil {
		return err
	}
	if err := m.pipeline.startServers(); err != nil {
		return err
	}
	if err := m.pipeline.reader().start(); err != nil {
		return err
	}
	if _, err := m.pipeline.awaitAll(ctx, m.in.bytes, time.Now()); err != nil {
		return err
	}
	var err error
	m.arrived, err = os.Open(m.pipeline.out.active())
	return err
}

func (m *meter) append(line []byte) error {
	_, err := m.file.Write(line)
	m.in.lines++
	m.in.bytes += int64(len(line))
	return err
}

func (m *meter) measure(ctx context.Context, b *bench) (*latency, error) {
	idle := m.idle(ctx, b.idle)
	rng := rand.New(rand.NewPCG(b.seed, 1))
	var took []time.Duration
	for range b.latencyLines {
		// The jitter keeps the lines from beating with a timer of the programs.
		if err := sleep(ctx, 20*time.Millisecond+time.Duration(rng.Int64N(int64(30*time.Millisecond)))); err != nil {
			return nil, err
		}
		t, err := m.one()
		if err != nil {
			return nil, err
		}
		took = append(took, t)
	}
	slices.Sort(took)
	slices.Sort(m.looks)
	return &latency{
		Lines: len(took), P50: ms(percentile(took, 50)), P90: ms(percentile(took, 90)), P99: ms(percentile(took, 99)),
		Max: ms(took[len(took)-1]), LookP50: ms(percentile(m.looks, 50)), LookP99: ms(percentile(m.looks, 99)),
		Idle: idle, IdleSeconds: b.idle.Seconds(),
	}, ctx.Err()
}

// one appends a line and waits for it.
func (m *meter) one() (time.Duration, error) {
	line := m.lines.next(nil)
	began := time.Now()
	if err := m.append(line); err != nil {
		return 0, err
	}
	for before := began; ; pause(look) {
		info, err := m.arrived.Stat()
		if err != nil {
			return 0, err
		}
		now := time.Now()
		m.looks = append(m.looks, now.Sub(before))
		before = now
		if info.Size() >= m.in.bytes {
			return now.Sub(began), nil
		}
		if now.Sub(began) > lineWait {
			return 0, fmt.Errorf("line %d has not arrived within %v", m.in.lines, lineWait)
		}
	}
}

// idle returns what the programs cost while nothing is written.
func (m *meter) idle(ctx context.Context, window time.Duration) []idle {
	if sleep(ctx, time.Second) != nil { // what the first line began may end
		return nil
	}
	programs := m.pipeline.programs
	before := make([]time.Duration, len(programs))
	for i, p := range programs {
		before[i] = p.cpuTime()
	}
	began := time.Now()
	_ = sleep(ctx, window) // the caller sees that it was cut short
	all := make([]idle, len(programs))
	for i, p := range programs {
		all[i] = idle{Program: p.name, Percent: 100 * float64(p.cpuTime()-before[i]) / float64(time.Since(began))}
	}
	slices.Reverse(all) // from the reader on, as everywhere in the report
	return all
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
