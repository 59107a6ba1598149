package demo

import (
	"context"
	"fmt"
	"time"
)

// act is the end of a program and its return.
type act struct {
	at   float64 // when this part of the lines is written
	name string
}

// story is what is done to the programs while the application writes.
var story = []act{{0.15, scribes[0]}, {0.42, "mediator"}, {0.68, "agent"}}

// away is how long a program that was killed is not there.
const away = time.Second

// tell kills the programs and starts them again.
func (d *demo) tell(ctx context.Context) error {
	for _, a := range story {
		p := d.program(a.name)
		due := int64(a.at * float64(d.cfg.Lines))
		if err := d.await(ctx, func() bool { return d.app.written.Load() >= due }); err != nil {
			return err
		}
		pid := p.pid()
		p.kill()
		d.screen.event("kill -9   %-9s %-16s%s", p.name, process(pid), d.sofar())
		if err := sleep(ctx, min(away, d.cfg.during/4)); err != nil {
			return err
		}
		if err := p.start(); err != nil {
			return err
		}
		d.screen.event("started   %-9s %-16s%s", p.name, process(p.pid()), d.sofar())
	}
	return nil
}

func process(pid int) string { return fmt.Sprintf("(process %d)", pid) }

// sofar is how far the lines have come.
func (d *demo) sofar() string {
	return fmt.Sprintf("  %8s written %8s on disk", thousands(int(d.app.written.Load())), thousands(d.onDisk()))
}

// glance is how often it is looked whether something has happened.
const glance = 20 * time.Millisecond

// await waits until it has happened. The error is that of ctx, or tells of a program that has ended by itself.
func (d *demo) await(ctx context.Context, happened func() bool) error {
	for !happened() {
		if err := sleep(ctx, glance); err != nil {
			return err
		}
		if err := d.fallen(); err != nil {
			return err
		}
	}
	return nil
}

// fallen returns an error about a program that should run and doesn't. It is for the goroutine that kills them.
func (d *demo) fallen() error {
	for _, p := range d.programs {
		if p.cmd != nil && !p.up.Load() {
			return fmt.Errorf("%s has ended by itself, which it must not: %s", p.name, p.lastWords())
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
