package tail

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/spool"
)

// What a file has lost goes into the spool's list of losses in the batch that stores the checkpoint after which it can't be
// noticed again: the one that passes over the destroyed bytes, or that of a file that is no more. Up to then it is owed, in
// memory. Whoever is killed before that notices the loss again at the next start: a checkpoint says how large its file was
// when it was written, and so what was known by then to lie behind its position.

// loseLocked says that bytes were lost, with the newlines in them as far as they were counted, and owes that.
func (s *Source) loseLocked(g *generation, reason spool.Reason, bytes, lines int64) {
	s.oweLocked(g, spool.Loss{Log: g.log, File: g.path, Reason: reason, Bytes: uint64(bytes), Lines: uint64(lines)})
	if s.quiet.may("lost "+string(reason)+g.path, time.Minute) {
		s.log.Error("lines of a file are lost", "path", g.path, "log", g.log, "reason", string(reason), "bytes", bytes, "lines", lines)
	}
}

// oweLocked keeps losses for the next batch with a checkpoint of the generation.
func (s *Source) oweLocked(g *generation, losses ...spool.Loss) {
	if len(losses) > 0 {
		s.owed[g] = append(s.owed[g], losses...)
	}
}

// payLocked returns what is owed of a generation, for the batch that stores its checkpoint.
func (s *Source) payLocked(g *generation) []spool.Loss {
	losses := s.owed[g]
	delete(s.owed, g)
	return losses
}

// unreadLocked counts as lost what is known to stand in a file that is no more, behind the position. Of a file that no
// section covers any more nobody wants it.
func (s *Source) unreadLocked(g *generation) {
	if g.dead || g.mourned || g.lineage == nil || g.ordinal == 0 || g.grown <= g.position {
		return
	}
	g.mourned = true
	s.loseLocked(g, spool.Deleted, g.grown-g.position, 0)
}

// changed returns what is to be said of lines that were delivered, but not as they stood in their file.
func changed(log, file string, done line.Counts) (losses []spool.Loss) {
	for reason, lines := range map[spool.Reason]int64{spool.InPieces: done.Cut, spool.Clipped: done.Clipped} {
		if lines > 0 {
			losses = append(losses, spool.Loss{Log: log, File: file, Reason: reason, Lines: uint64(lines)})
		}
	}
	return losses
}

// payAll stores what is still owed when nothing else runs any more. The checkpoints stay where they are in the spool, and
// say that nothing is known behind them: it is counted now.
func (s *Source) payAll() {
	s.mu.Lock()
	owed := maps.Clone(s.owed)
	clear(s.owed)
	s.mu.Unlock()
	if len(owed) == 0 {
		return
	}
	var b spool.Batch
	for g, losses := range owed {
		b.Losses = append(b.Losses, losses...)
		if c, ok := s.storedCheckpoint(g); ok {
			c.grown = 0
			b.Checkpoints = append(b.Checkpoints, spool.Checkpoint{Key: g.key(), Value: c.encode()})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastChance)
	defer cancel()
	if err := s.cfg.Spool.Append(ctx, b); err != nil {
		s.log.Error("the spool did not store in time what was lost; the next start counts what it can still know", "files", len(owed), "err", err)
	}
}

// key returns that of the generation's checkpoint.
func (g *generation) key() string {
	if g.orphaned {
		return orphanKey(g.id)
	}
	return checkpointKey(g.id.inode)
}

// storedCheckpoint returns the generation's checkpoint as the spool has it.
func (s *Source) storedCheckpoint(g *generation) (c checkpoint, ok bool) {
	_ = s.cfg.Spool.EachCheckpoint(g.key(), func(key string, value []byte) error { // where it fails, there is none
		if key == g.key() {
			var err error
			c, err = decodeCheckpoint(key, slices.Clone(value))
			ok = err == nil && c.id == g.id
		}
		return nil
	})
	return c, ok
}
