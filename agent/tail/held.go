package tail

import (
	"context"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// What a section does to lines makes two things depend on time alone: an event that nothing has followed for a while is
// complete, and a position that moved over dropped lines, without a batch to go with, is stored after a while.

// saveDelay is how long a position may be ahead of its checkpoint in the spool if all lines between were dropped. They
// would only be read, and dropped, once more.
const saveDelay = 2 * time.Second

// dueLocked says whether an event has waited for its next line for long enough.
func (s *Source) dueLocked(g *generation, now instant) bool {
	return g.held && now.Sub(g.active) >= s.patienceLocked(g)
}

// patienceLocked returns how long the last event waits: in a file that was rotated away not longer than the file's grace
// period.
func (s *Source) patienceLocked(g *generation) time.Duration {
	if g.away.IsZero() {
		return g.section.lines.Timeout()
	}
	return min(g.section.lines.Timeout(), s.cfg.Grace)
}

// abandonedLocked says whether a file that was rotated away was last written to so long ago that its last event is
// complete. Without that, each file of a backlog would hold up the next one.
func (s *Source) abandonedLocked(g *generation, st fileStat) bool {
	return !g.away.IsZero() && time.Since(time.Unix(0, st.mtime)) >= s.patienceLocked(g)
}

// mayWaitLocked says whether the position, that has moved over dropped lines, may go into the spool with a later batch.
func (g *generation) mayWaitLocked(now instant) bool {
	if g.unsaved.IsZero() {
		g.unsaved = now
	}
	return !g.overdueLocked(now)
}

// overdueLocked says whether the position must be stored, though there is nothing to go with it.
func (g *generation) overdueLocked(now instant) bool {
	return !g.unsaved.IsZero() && now.Sub(g.unsaved) >= saveDelay
}

// saveLocked completes the batch with the checkpoint of the position and submits it.
func (s *Source) saveLocked(ctx context.Context, g *generation, b *batch) {
	b.end = g.position
	c := g.checkpointLocked()
	b.Losses = append(b.Losses, s.payLocked(g)...)
	b.Checkpoints = []spool.Checkpoint{{Key: checkpointKey(g.id.inode), Value: c.encode()}}
	g.unsaved = 0
	s.submitLocked(ctx, g, b)
}

// savedLocked submits the checkpoint of a held generation that is overdue, or that closes, and of which no batch is in
// flight. It is looked at again after that.
func (s *Source) savedLocked(ctx context.Context, g *generation, closing bool) bool {
	deleted := closing && !g.linked // its checkpoint is about to go
	if g.inflight || g.unsaved.IsZero() || deleted || !closing && !g.overdueLocked(now()) {
		return false
	}
	g.more = true
	s.saveLocked(ctx, g, &batch{})
	return true
}
