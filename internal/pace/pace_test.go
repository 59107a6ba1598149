package pace

import (
	"testing"
	"time"
)

// TestPace: turns that are rare never wait; of a stream of them, one begins in each gap.
func TestPace(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name  string
		burst int
		at    []time.Duration // when turns are wanted
		wait  []time.Duration // how long each must wait
	}{
		{"rare ones", 1, []time.Duration{0, 10 * ms, 20 * ms}, []time.Duration{0, 0, 0}},
		{"a stream", 1, []time.Duration{0, 1 * ms, 6 * ms, 10 * ms}, []time.Duration{0, 4 * ms, 4 * ms, 5 * ms}},
		{"a burst", 3, []time.Duration{0, 0, 1 * ms, 2 * ms}, []time.Duration{0, 0, 0, 3 * ms}},
		{"bursts far apart", 2, []time.Duration{0, 0, 10 * ms, 10 * ms, 10 * ms}, []time.Duration{0, 0, 0, 0, 5 * ms}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Pace{Gap: 5 * ms, Burst: test.burst}
			began := time.Unix(1, 0)
			for i, at := range test.at {
				now := began.Add(at)
				wait := p.Wait(now)
				if wait != test.wait[i] {
					t.Errorf("turn %d at %v waits %v, want %v", i, at, wait, test.wait[i])
				}
				p.Begin(now.Add(wait))
			}
		})
	}
}

// TestEarlyTurns: turns that do not wait make the next one wait no longer than a gap.
func TestEarlyTurns(t *testing.T) {
	p := Pace{Gap: time.Second, Burst: 3}
	now := time.Unix(1, 0)
	for range 100 {
		p.Begin(now)
	}
	if wait := p.Wait(now); wait != time.Second {
		t.Errorf("waits %v", wait)
	}
}
