package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/logscribe/logscribe/agent"
	"github.com/logscribe/logscribe/internal/cli"
)

// progressEvery is how often the status line is brought up to date.
const progressEvery = 500 * time.Millisecond

// showsStatus says whether the status line is for this agent: one that reads standard input, while nothing else is typed
// or printed on the terminal.
func (c *config) showsStatus(proc *cli.Process) bool {
	return proc.Status() != nil && len(c.stdins) > 0 && len(c.files) == 0 && !cli.IsTerminal(proc.Stdin) && !(c.tee && cli.IsTerminal(proc.Stdout))
}

// showProgress shows how far the agent is, until the function that it returns is called, which leaves a last word.
func showProgress(proc *cli.Process, progress func() agent.Progress) (end func()) {
	began := time.Now()
	done := make(chan struct{})
	var shows sync.WaitGroup
	shows.Go(func() { watchProgress(progress, proc.Status().Show, done) })
	return func() {
		close(done)
		shows.Wait()
		proc.Status().Show("")
		p, took := progress(), time.Since(began)
		fmt.Fprintf(proc.Stderr, "scribe-agent: read %d lines in %v, delivered %d, %d wait\n", p.Read, took.Round(100*time.Millisecond), p.Delivered, p.Waiting)
	}
}

// watchProgress shows how far the agent is until done is closed.
func watchProgress(progress func() agent.Progress, show func(string), done <-chan struct{}) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	last, then := agent.Progress{}, time.Time{}
	for took := time.Duration(0); ; took = time.Since(then) { // at the first look there is no rate
		now := progress()
		show(progressLine(now, last, took))
		last, then = now, time.Now()
		select {
		case <-ticker.C:
		case <-done:
			return
		}
	}
}

// progressLine says how far the agent is, and how many lines it has read in a second since the last time.
func progressLine(now, last agent.Progress, since time.Duration) string {
	rate := 0.0
	if since > 0 {
		rate = float64(now.Read-last.Read) / since.Seconds()
	}
	return fmt.Sprintf("read %d lines  delivered %d  waiting %d  %.0f lines/s", now.Read, now.Delivered, now.Waiting, rate)
}
