package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// pipeline is programs that carry the lines of files to another place. It is laid in an empty folder, started, and
// stopped once.
type pipeline struct {
	servers []*program // in the order in which they start
	readers []*program // of the inputs; they are started when all servers are ready, and stopped first
	cargo   []cargo
	way     *delayer // between readers and servers; nil if they are near
	// settles says that a reader's clean stop waits for the receipts of all that it has read, and that the lines are
	// not safe before. The time of a run includes it.
	settles bool
	// unsent are words of a reader that say that some lines have no receipt.
	unsent string
}

// cargo is a file, and where its lines arrive.
type cargo struct {
	in  input
	out *output
}

func startAll(programs []*program) error {
	for _, program := range programs {
		if err := program.start(); err != nil {
			return err
		}
	}
	return nil
}

// stopReaders stops all readers at once.
func (p *pipeline) stopReaders() error {
	for _, reader := range p.readers {
		reader.terminate()
	}
	var err error
	for _, reader := range p.readers {
		err = errors.Join(err, reader.end())
	}
	return err
}

// stopServers stops the servers, those first that stand last in the way of the lines.
func (p *pipeline) stopServers() error {
	var err error
	for _, server := range slices.Backward(p.servers) {
		server.terminate()
		err = errors.Join(err, server.end())
	}
	return err
}

// fromReaders returns all programs, the readers first and the first server last.
func (p *pipeline) fromReaders() []*program {
	servers := slices.Clone(p.servers)
	slices.Reverse(servers)
	return slices.Concat(p.readers, servers)
}

// stop stops all programs cleanly.
func (p *pipeline) stop() error { return errors.Join(p.stopReaders(), p.stopServers()) }

// kill ends everything that runs at once.
func (p *pipeline) kill() {
	for _, program := range p.fromReaders() {
		program.kill()
	}
	if p.way != nil {
		p.way.close()
	}
}

// usages returns what the programs cost; those of one name count as one, with the most memory that one of them took.
func (p *pipeline) usages() []usage {
	var all []usage
	for _, program := range p.fromReaders() {
		u := program.usage()
		i := slices.IndexFunc(all, func(x usage) bool { return x.Program == u.Program })
		if i < 0 {
			all = append(all, u)
			continue
		}
		all[i].CPU += u.CPU
		all[i].Peak = max(all[i].Peak, u.Peak)
	}
	return all
}

// carry starts the pipeline, and returns the time from the start of the readers until everything has arrived and, if
// that can be known, is safe. If nothing arrives any more the run ends, and the time is that of the last arrival: what is
// missing, the comparison tells.
func (p *pipeline) carry(ctx context.Context) (time.Duration, error) {
	if err := startAll(p.servers); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := startAll(p.readers); err != nil {
		return 0, err
	}
	return p.settle(ctx, began)
}

// settle waits until everything has arrived, stops the pipeline, and returns the time since it began.
func (p *pipeline) settle(ctx context.Context, began time.Time) (time.Duration, error) {
	took, err := p.awaitAll(ctx, began)
	if err != nil {
		return 0, err
	}
	if err := p.stopReaders(); err != nil {
		return 0, err
	}
	if p.settles {
		took = time.Since(began)
	}
	if err := p.allSent(); err != nil {
		return 0, err
	}
	return took, p.stopServers()
}

// allSent returns an error if a reader that has stopped says that some lines have no receipt.
func (p *pipeline) allSent() error {
	for _, reader := range p.readers {
		if p.unsent != "" && reader.said(p.unsent) {
			return fmt.Errorf("%s stopped with lines that have no receipt%s", reader.name, reader.lastWords())
		}
	}
	return nil
}

// patience is how long nothing may arrive before a run is given up.
const patience = 20 * time.Second

// awaitAll looks at the outputs, one after the other, until each has the size of its input, or one does not grow any
// more. Each look costs CPU time on the machine that is measured, so there are no more than a hundred in a second.
func (p *pipeline) awaitAll(ctx context.Context, began time.Time) (time.Duration, error) {
	last, grown := int64(0), began
	for i := 0; i < len(p.cargo); {
		n, err := p.cargo[i].out.size()
		if err != nil {
			return 0, err
		}
		now := time.Now()
		if n > last {
			last, grown = n, now
		}
		if n >= p.cargo[i].in.bytes {
			i, last = i+1, 0
			continue
		}
		if now.Sub(grown) > patience {
			break
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		for _, reader := range p.readers {
			if !reader.running() {
				return 0, fmt.Errorf("%s ended by itself%s", reader.name, reader.lastWords())
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return grown.Sub(began), nil
}

// difference compares all that has arrived with what was written.
func (p *pipeline) difference() (difference, error) {
	var sum difference
	for _, c := range p.cargo {
		d, err := compare(c.in, c.out)
		if err != nil {
			return sum, err
		}
		sum.add(d)
	}
	return sum, nil
}

// finished returns the run of a pipeline that has stopped.
func (p *pipeline) finished(took time.Duration) (run, error) {
	r := run{Seconds: took.Seconds(), Programs: p.usages()}
	for _, c := range p.cargo {
		r.Lines += c.in.lines
		r.Bytes += c.in.bytes
	}
	var err error
	r.Difference, err = p.difference()
	return r, err
}
