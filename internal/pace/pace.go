// Package pace spaces work that is as dear for a little as for more, such as a transaction: what comes rarely is done at
// once, what comes in a steady stream gathers.
package pace

import "time"

// Pace allows Burst turns at once, and beyond that one each Gap. It is used by one goroutine at a time.
type Pace struct {
	Gap   time.Duration
	Burst int // at least 1

	full time.Time // when, without further turns, all of Burst is there again
}

// Wait returns how long the next turn has to wait; 0 if it may begin now.
func (p *Pace) Wait(now time.Time) time.Duration {
	return max(0, p.full.Add(-time.Duration(p.Burst-1)*p.Gap).Sub(now))
}

// Begin takes note of a turn, which may come early.
func (p *Pace) Begin(now time.Time) {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(p.Gap)
	if most := now.Add(time.Duration(p.Burst) * p.Gap); p.full.After(most) { // those that came early are not made up for
		p.full = most
	}
}
