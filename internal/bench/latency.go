package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// latency is how long single lines took from before write(2) until the file that they arrive in had grown by them.
type latency struct {
	Lines int     `json:"lines"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
	// LookP50 and LookP99 are the time from one look at the file to the next: a latency may be shorter by that much.
	LookP50 float64 `json:"look_p50_ms"`
	LookP99 float64 `json:"look_p99_ms"`
}

const (
	look     = 50 * time.Microsecond // between looks at the file, and what the system adds
	lineWait = 10 * time.Second      // after which a line is lost
)

// liveLatency measures single lines that are appended to a file while the pipeline is idle, and what that costs idle.
func liveLatency(lay lay) func(context.Context, *bench, string) (run, error) {
	return live(lay, func(ctx context.Context, b *bench, m *meter) (run, error) {
		l, err := m.idle(ctx, b.idle)
		if err != nil {
			return run{}, err
		}
		found, err := m.measure(ctx, b)
		return run{Latency: found, Load: l}, err
	})
}

// live lays a pipeline, brings a first line through it, lets f measure, and adds what all runs tell.
func live(lay lay, f func(context.Context, *bench, *meter) (run, error)) func(context.Context, *bench, string) (run, error) {
	return func(ctx context.Context, b *bench, dir string) (run, error) {
		in := filepath.Join(dir, "live.log")
		p, err := lay(b, dir, input{path: in})
		if err != nil {
			return run{}, err
		}
		defer p.kill()
		m := &meter{pipeline: p, in: &p.cargo[0].in, lines: b.corpus()}
		if m.file, err = os.OpenFile(in, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err != nil {
			return run{}, err
		}
		defer m.file.Close()
		if err := m.start(ctx); err != nil {
			return run{}, err
		}
		defer m.arrived.Close()
		found, err := f(ctx, b, m)
		if err != nil {
			return run{}, err
		}
		if err := p.stop(); err != nil {
			return run{}, err
		}
		r, err := p.finished(0)
		r.Latency, r.Load = found.Latency, found.Load
		return r, err
	}
}

// meter appends lines to a file and watches them arrive.
type meter struct {
	pipeline *pipeline
	lines    corpus
	in       *input   // what has been written so far
	file     *os.File // that the pipeline reads
	arrived  *os.File // that it writes
	looks    []time.Duration
}

// start starts the pipeline, and waits until a first line has passed it.
func (m *meter) start(ctx context.Context) error {
	if err := m.append(m.lines.next(nil)); err != nil {
		return err
	}
	p := m.pipeline
	if err := errors.Join(startAll(p.servers), startAll(p.readers)); err != nil {
		return err
	}
	if _, err := p.awaitAll(ctx, time.Now()); err != nil {
		return err
	}
	files, err := p.cargo[0].out.files()
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("the first line did not arrive within %v", patience)
	}
	m.arrived, err = os.Open(files[0])
	return err
}

func (m *meter) append(line []byte) error {
	_, err := m.file.Write(line)
	m.in.lines++
	m.in.bytes += int64(len(line))
	return err
}

// measure times single lines.
func (m *meter) measure(ctx context.Context, b *bench) (*latency, error) {
	took, err := timeEach(ctx, b, m.one)
	if err != nil {
		return nil, err
	}
	return m.latency(took), nil
}

// latency returns what was measured, with the looks.
func (m *meter) latency(took []time.Duration) *latency {
	l := latencyOf(took)
	slices.Sort(m.looks)
	l.LookP50, l.LookP99 = ms(percentile(m.looks, 50)), ms(percentile(m.looks, 99))
	return l
}

// timeEach calls one for each of the single lines, some time apart, and returns what it returns.
func timeEach(ctx context.Context, b *bench, one func() (time.Duration, error)) ([]time.Duration, error) {
	rng := rand.New(rand.NewPCG(b.seed, 1))
	var took []time.Duration
	for range b.latencyLines {
		// The jitter keeps the lines from beating with a timer of the programs.
		if err := sleep(ctx, 20*time.Millisecond+time.Duration(rng.Int64N(int64(30*time.Millisecond)))); err != nil {
			return nil, err
		}
		t, err := one()
		if err != nil {
			return nil, err
		}
		took = append(took, t)
	}
	return took, nil
}

func latencyOf(took []time.Duration) *latency {
	slices.Sort(took)
	return &latency{
		Lines: len(took), P50: ms(percentile(took, 50)), P90: ms(percentile(took, 90)), P99: ms(percentile(took, 99)),
		Max: ms(took[len(took)-1]),
	}
}

// syncLatency measures how long it takes to append a single line to a file and to sync it, once. A pipeline that syncs
// does so more than once before a line arrives.
func syncLatency(ctx context.Context, b *bench, dir string) (run, error) {
	path := filepath.Join(dir, "live.log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return run{}, err
	}
	defer file.Close()
	lines, size := b.corpus(), int64(0)
	took, err := timeEach(ctx, b, func() (time.Duration, error) {
		line := lines.next(nil)
		size += int64(len(line))
		began := time.Now()
		if _, err := file.Write(line); err != nil {
			return 0, err
		}
		if err := syncData(file); err != nil {
			return 0, err
		}
		return time.Since(began), nil
	})
	if err != nil {
		return run{}, err
	}
	return run{Lines: len(took), Bytes: size, Latency: latencyOf(took)}, nil
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

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
