package tail

import (
	"context"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// Of each generation one batch is in flight to the spool, and a second one may be prepared meanwhile. Their order is the
// order of the Append calls, because the second call is made only after the first has returned.

// submitLocked has the batch of a held generation committed, after the one in flight if there is one.
func (s *Source) submitLocked(ctx context.Context, g *generation, b *batch) {
	if g.inflight {
		g.prepared = b
		return
	}
	g.inflight = true
	s.commits.Add(1)
	go s.commit(ctx, g, b)
}

// commit appends the batch, and those that are prepared meanwhile.
func (s *Source) commit(ctx context.Context, g *generation, b *batch) {
	defer s.commits.Done()
	for b != nil {
		if !s.append(ctx, b.Batch) {
			return // the source stops; the checkpoint in the spool says how far it got
		}
		s.stats.lines.Add(b.lines)
		s.stats.bytes.Add(b.raw)
		b.recycle()
		s.budget.Release(b.weight)
		b = s.committed(g, b.end)
	}
}

// committed records that a generation's batch is durable and returns the next one.
func (s *Source) committed(g *generation, end int64) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committedLocked(g, end)
}

func (s *Source) committedLocked(g *generation, end int64) *batch {
	g.committed = end
	next := g.prepared
	g.prepared = nil
	g.inflight = next != nil
	if g.more {
		g.more = false
		s.enqueueLocked(g)
	}
	s.progressLocked(g)
	return next
}

// Delays between attempts to append.
const (
	firstDelay = 10 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// append tries until the batch is stored, whatever the error: lines are neither skipped nor reordered. It returns false
// if the source stops before that.
func (s *Source) append(ctx context.Context, b spool.Batch) bool {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		err := s.cfg.Spool.Append(ctx, b)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		s.stats.appendErrors.Add(1)
		if s.quiet.may("append", 10*time.Second) {
			s.log.Error("cannot append to the spool; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(delay):
		}
	}
}

// letGo ends the reading of a generation that is away and quiet, at its end. An unfinished last line will never be
// finished: it is delivered as it is, with a newline. The checkpoint of a deleted file goes with it, unless the source stops
// (see farewell) or it is to be known on (see past.go); that of a compressed one says from now on that it is never read.
func (s *Source) letGo(ctx context.Context, g *generation) {
	s.mu.Lock()
	switch {
	case s.leaving && !g.linked:
		s.mu.Unlock()
		return
	case g.linked && !packed(g.name):
		s.mu.Unlock()
		s.close(g)
		return
	}
	defer s.mu.Unlock()
	end := spool.Checkpoint{Key: checkpointKey(g.id.inode)}
	r := registration{ending: g}
	switch {
	case g.linked:
		c := g.checkpointLocked()
		c.ordinal = 0
		end.Value = c.encode()
	case g.lineage != nil && g.ordinal > 0:
		g.past = true
		g.mtime, g.grown = max(g.mtime, g.checked), 0 // what is lost of it is counted
		if g.checked = fileClock(); !g.deleted.IsZero() {
			g.checked -= int64(now().Sub(g.deleted))
		}
		c := g.checkpointLocked()
		c.id = orphanedAs(c)
		r.more = append(r.more, spool.Checkpoint{Key: orphanKey(c.id), Value: c.encode()})
	default:
		r.stamp = true
	}
	r.more = append(r.more, end)
	g.inflight, g.ending = true, true
	if g.broken {
		s.oweLocked(g, spool.Loss{Log: g.log, File: g.path, Reason: spool.Compressed})
	}
	r.losses = s.payLocked(g)
	s.registerLocked(ctx, r)
}

// close ends a generation whose grace period is over, and whose end is stored. Its inode's number may be given out again from
// here on, so that for a deleted file nothing may be in flight any more.
func (s *Source) close(g *generation) {
	s.mu.Lock()
	g.closing, g.inflight = false, false
	s.ended = append(s.ended, g)
	if !g.linked && !g.past {
		g.dead = true
	} else {
		g.dormant, g.proven = true, g.proven || g.file != nil && !g.givenUp
	}
	file := s.dropLocked(g)
	s.progressLocked(g)
	s.mu.Unlock()
	if file != nil {
		file.Close()
	}
	s.kick()
}
