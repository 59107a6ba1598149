package main

import (
	"context"
	"time"
)

// load is what the programs cost over a time in which always the same happens.
type load struct {
	Doing    string  `json:"doing"`
	Seconds  float64 `json:"seconds"`
	Programs []share `json:"programs"`
}

// share is the share of one core that a program took.
type share struct {
	Program string  `json:"program"`
	Percent float64 `json:"percent"`
}

// watch measures what the pipeline's programs cost while f runs.
func (p *pipeline) watch(doing string, f func() error) (*load, error) {
	programs := p.fromReaders()
	before := make([]time.Duration, len(programs))
	for i, program := range programs {
		before[i] = program.cpuTime()
	}
	began := time.Now()
	if err := f(); err != nil {
		return nil, err
	}
	took := time.Since(began)
	l := &load{Doing: doing, Seconds: took.Seconds()}
	for i, program := range programs {
		l.Programs = append(l.Programs, share{program.name, 100 * float64(program.cpuTime()-before[i]) / float64(took)})
	}
	return l, nil
}

// idle measures what the programs cost while nothing is written.
func (m *meter) idle(ctx context.Context, window time.Duration) (*load, error) {
	if err := sleep(ctx, time.Second); err != nil { // what the first line began may end
		return nil, err
	}
	return m.pipeline.watch("nothing", func() error { return sleep(ctx, window) })
}

// streamRate is how many lines a second the form stream writes.
const streamRate = 10_000

// stream measures what the programs cost while lines come one by one, each with a write of its own, as from an
// application that does not buffer what it logs.
func stream(lay lay) func(context.Context, *bench, string) (run, error) {
	return live(lay, func(ctx context.Context, b *bench, m *meter) (run, error) {
		l, err := m.pipeline.watch("10,000 lines/s", func() error { return m.writeSteadily(ctx, b.stream) })
		if err != nil {
			return run{}, err
		}
		_, err = m.pipeline.awaitAll(ctx, time.Now())
		return run{Load: l}, err
	})
}

// writeSteadily writes lines at streamRate. After a pause that took too long it catches up.
func (m *meter) writeSteadily(ctx context.Context, window time.Duration) error {
	began := time.Now()
	all := int(window.Seconds() * streamRate)
	for n := 0; n < all; {
		due := min(all, int(time.Since(began).Seconds()*streamRate))
		for ; n < due; n++ {
			if err := m.append(m.lines.next(nil)); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause(500 * time.Microsecond)
	}
	return nil
}
