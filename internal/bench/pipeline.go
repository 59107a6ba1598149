package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// pipeline is a chain of programs that carries the lines of one file to another place. It is laid in an empty folder,
// started, and stopped once.
type pipeline struct {
	// programs in the order in which they start. The last one reads the input: it is started when all others are
	// ready, and stopped first.
	programs []*program
	out      *output
	// settles says that the reader's clean stop waits for the receipts of all that it has read, and that the lines are
	// not safe before. The time of a run includes it.
	settles bool
	// unsent are words of the reader that say that some lines have no receipt.
	unsent string
}

func (p *pipeline) reader() *program { return p.programs[len(p.programs)-1] }

// startServers starts all programs but the reader.
func (p *pipeline) startServers() error {
	for _, program := range p.programs[:len(p.programs)-1] {
		if err := program.start(); err != nil {
			return err
		}
	}
	return nil
}

// stop stops all programs that run, the reader first, and returns the first error. What cannot be stopped is killed.
func (p *pipeline) stop() error {
	var first error
	for _, program := range slices.Backward(p.programs) {
		if !program.running() && program.cmd != nil && program.cmd.ProcessState.Success() {
			continue
		}
		if err := program.stop(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// kill ends all programs at once.
func (p *pipeline) kill() {
	for _, program := range p.programs {
		program.kill()
	}
}

func (p *pipeline) usages() []usage {
	var all []usage
	for _, program := range slices.Backward(p.programs) {
		if program.cmd != nil {
			all = append(all, program.usage())
		}
	}
	return all
}

// patience is how long nothing may arrive before a run is given up.
const patience = 20 * time.Second

// carry starts the pipeline with the input, and returns the time from the start of the reader until everything has
// arrived and, if that can be known, is safe. If nothing arrives any more the run ends, and the time is that of the last
// arrival: what is missing, the comparison tells.
func (p *pipeline) carry(ctx context.Context, in input) (time.Duration, error) {
	if err := p.startServers(); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := p.reader().start(); err != nil {
		return 0, err
	}
	took, err := p.awaitAll(ctx, in.bytes, began)
	if err != nil {
		return 0, err
	}
	if err := p.reader().stop(); err != nil {
		return 0, err
	}
	if p.settles {
		took = time.Since(began)
	}
	if p.unsent != "" && p.reader().said(p.unsent) {
		return 0, fmt.Errorf("%s stopped with lines that have no receipt%s", p.reader().name, p.reader().lastWords())
	}
	return took, p.stop()
}

// awaitAll looks at the output until it has the size, or does not grow any more. Each look costs CPU time on the machine
// that is measured, so there are no more than a hundred in a second.
func (p *pipeline) awaitAll(ctx context.Context, size int64, began time.Time) (time.Duration, error) {
	last, grown := int64(0), began
	for {
		n, err := p.out.size()
		if err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		now := time.Now()
		if n > last {
			last, grown = n, now
		}
		if n >= size || now.Sub(grown) > patience {
			return grown.Sub(began), nil
		}
		if !p.reader().running() {
			return 0, fmt.Errorf("%s ended by itself%s", p.reader().name, p.reader().lastWords())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
