package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// slowly writes a line a second to each of so many logs, one log after the other, and measures what the programs cost
// meanwhile, and what the spool takes of the disk in the end.
func slowly(logs int) func(context.Context, *bench, string) (run, error) {
	return func(ctx context.Context, b *bench, dir string) (_ run, err error) {
		all, err := deal(filepath.Join(dir, "in"), b.corpus(), logs, logs) // the first line of each
		if err != nil {
			return run{}, err
		}
		files := make([]*os.File, logs)
		for i := range files {
			if files[i], err = os.OpenFile(all[i].path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
				return run{}, err
			}
			defer files[i].Close()
		}
		p, err := b.fleet.lay(dir, [][]input{all}, plain)
		if err != nil {
			return run{}, err
		}
		defer p.kill()
		if err := errors.Join(startAll(p.servers), startAll(p.readers)); err != nil {
			return run{}, err
		}
		if _, err := p.awaitAll(ctx, time.Now()); err != nil {
			return run{}, err
		}
		if err := sleep(ctx, time.Second); err != nil { // what the first lines began may end
			return run{}, err
		}
		doing := fmt.Sprintf("1 line/s in each of %s logs", grouped(float64(logs)))
		l, err := p.watch(doing, func() error { return p.trickle(ctx, files, b.corpus(), b.slow) })
		if err != nil {
			return run{}, err
		}
		spooled, err := spoolBytes(p.readers[0])
		if err != nil {
			return run{}, err
		}
		if _, err := p.awaitAll(ctx, time.Now()); err != nil {
			return run{}, err
		}
		if err := p.stop(); err != nil {
			return run{}, err
		}
		r, err := p.finished(0)
		r.Load, r.SpoolSize = l, spooled
		return r, err
	}
}

// trickle writes to each of the files, which are the pipeline's inputs, a line a second.
func (p *pipeline) trickle(ctx context.Context, files []*os.File, lines corpus, window time.Duration) error {
	began := time.Now()
	var line []byte
	for n := 0; ; n++ {
		due := began.Add(time.Duration(n) * time.Second / time.Duration(len(files)))
		if due.Sub(began) >= window {
			return sleep(ctx, time.Until(began.Add(window)))
		}
		if wait := time.Until(due); wait > time.Millisecond { // finer than that costs more than it tells
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
		line = lines.next(line[:0])
		i := n % len(files)
		if _, err := files[i].Write(line); err != nil {
			return err
		}
		p.cargo[i].in.lines++
		p.cargo[i].in.bytes += int64(len(line))
	}
}
