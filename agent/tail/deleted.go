package tail

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// A deleted file exists for as long as its descriptor is open, and so does the space that it takes. So it is let go at
// its end, or when the operator's limit is over.

// giveUpLocked finds out whether a deleted file with unread lines has had its time. It is closed then, and ends when nothing
// of it is on the way to the spool any more. The caller closes what is returned.
func (s *Source) giveUpLocked(g *generation, size int64, now instant) handle {
	limit := time.Duration(0)
	if g.lineage != nil {
		limit = g.lineage.section.closeDeletedAfter
	}
	if limit == 0 || g.deleted.IsZero() || now.Sub(g.deleted) < limit || g.settledLocked() >= size {
		return nil
	}
	g.givenUp, g.grown = true, size
	if g.state != held {
		s.mournLocked(g, spool.Deleted, g.position)
	}
	return s.dropLocked(g)
}

// mournLocked counts what is lost of a deleted file from there on.
func (s *Source) mournLocked(g *generation, reason spool.Reason, from int64) {
	if g.mourned || g.grown <= from {
		return
	}
	g.mourned = true
	s.stats.givenUp.Add(1)
	s.loseLocked(g, reason, g.grown-from, countLines(g.file, from, g.grown))
}

// countLines counts the newlines between two offsets, if it is not much.
func countLines(f *descriptor, from, to int64) int64 {
	if f == nil || to-from > 1<<20 {
		return 0
	}
	buf := make([]byte, to-from)
	n, err := f.ReadAt(buf, from)
	if err != nil && err != io.EOF {
		return 0
	}
	return int64(bytes.Count(buf[:n], []byte{'\n'}))
}

// endGivenUp ends a generation that was given up once nobody works on it.
func (s *Source) endGivenUp(ctx context.Context, g *generation) {
	s.mu.Lock()
	busy := g.state != idle || g.inflight
	if g.state != held {
		s.mournLocked(g, spool.Deleted, g.position)
	}
	s.mu.Unlock()
	if !busy {
		s.letGo(ctx, g)
	}
}
