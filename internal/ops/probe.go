package ops

import (
	"fmt"
	"sync"
	"time"
)

// Probe is an attempt that is made when it is asked for, but not again for some time, and by one at a time. An attempt that
// hangs, as a look at a dead disk may, holds nobody up for longer than the patience. Its methods are safe for concurrent use.
type Probe struct {
	what     string
	every    time.Duration // how long a result counts
	patience time.Duration // how long who asks waits for one
	try      func() []string

	mu      sync.Mutex // guards what follows
	done    time.Time  // when the last attempt ended; zero before the first
	result  []string
	began   time.Time
	running chan struct{} // closed when the attempt that runs ends; nil if none does
}

// NewProbe returns a probe. Try returns what is wrong, a reason each; nil if all is well. What names that which hangs if
// try does, as in "the disk".
func NewProbe(what string, every, patience time.Duration, try func() []string) *Probe {
	return &Probe{what: what, every: every, patience: patience, try: try}
}

// Check returns what is wrong, as of the last attempt, or of one that it makes.
func (p *Probe) Check() []string {
	p.mu.Lock()
	if p.running == nil {
		if !p.done.IsZero() && time.Since(p.done) < p.every {
			defer p.mu.Unlock()
			return p.result
		}
		p.began, p.running = time.Now(), make(chan struct{})
		go p.attempt(p.running)
	}
	running := p.running
	p.mu.Unlock()
	patience := time.NewTimer(p.patience)
	defer patience.Stop()
	select {
	case <-running:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.result
	case <-patience.C:
		p.mu.Lock()
		defer p.mu.Unlock()
		return []string{fmt.Sprintf("%s: no answer for %v", p.what, time.Since(p.began).Round(time.Millisecond))}
	}
}

func (p *Probe) attempt(running chan struct{}) {
	result := p.try()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.result, p.running = time.Now(), result, nil
	close(running)
}
