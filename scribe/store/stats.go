package store

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/logscribe/logscribe/internal/latency"
)

// Volume is a number of files and their bytes.
type Volume struct{ Files, Bytes int64 }

// Stats counts what has become of the store's files since it was opened.
type Stats struct {
	RotatedBySize int64
	RotatedByTime int64
	Deleted       map[Reason]Volume
	Compressed    Volume // before compression
	Saved         int64  // bytes that compression has given back
	NotCompressed int64  // attempts that failed
	Tampered      int64  // times that something else was found to have changed, removed or replaced an active file

	CommittedLines int64            // that are durable and in the ledger
	CommittedBytes int64            // of these, as they stand in the files
	SkippedLines   int64            // that came again, and were committed or appended before
	MissingLines   int64            // that their producer no longer held when the lines behind them came
	Resets         int64            // times that what was not committed of a log was cut back
	LedgerErrors   int64            // rounds that could not write the ledger
	Rounds         latency.Snapshot // of rounds with something to commit, from their beginning until they are in the ledger
	Syncs          latency.Snapshot // of single files

	Logs        int   // known since the store was opened
	Open        int   // of these, those whose active file is open
	Uncommitted int64 // bytes appended since the last round began
}

// counters is what Stats are made from.
type counters struct {
	rotatedBySize, rotatedByTime, tampered   atomic.Int64
	compressed, packed, saved, notCompressed atomic.Int64 // files, their bytes, the bytes saved; attempts

	committedLines, committedBytes, skippedLines, missingLines, resets, ledgerErrors atomic.Int64
	rounds, syncs                                                                    latency.Histogram

	mu      sync.Mutex
	deleted map[Reason]Volume
	said    map[Reason]Volume // what the last summary knew of
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	c := &s.stats
	c.mu.Lock()
	deleted := maps.Clone(c.deleted)
	c.mu.Unlock()
	s.mu.Lock()
	logs, uncommitted := len(s.logs), s.uncommitted
	s.mu.Unlock()
	return Stats{
		RotatedBySize: c.rotatedBySize.Load(), RotatedByTime: c.rotatedByTime.Load(), Deleted: deleted,
		Compressed: Volume{c.compressed.Load(), c.packed.Load()}, Saved: c.saved.Load(), NotCompressed: c.notCompressed.Load(),
		Tampered:       c.tampered.Load(),
		CommittedLines: c.committedLines.Load(), CommittedBytes: c.committedBytes.Load(),
		SkippedLines: c.skippedLines.Load(), MissingLines: c.missingLines.Load(), Resets: c.resets.Load(), LedgerErrors: c.ledgerErrors.Load(),
		Rounds: c.rounds.Snapshot(), Syncs: c.syncs.Snapshot(),
		Logs: logs, Open: int(s.open.Load()), Uncommitted: uncommitted,
	}
}

// LogVolume is what was committed of one log since the store was opened.
type LogVolume struct {
	Log          string
	Lines, Bytes int64
}

// Busiest returns the logs of which the most bytes were committed, at most n of them, the most first.
func (s *Store) Busiest(n int) []LogVolume {
	s.mu.Lock()
	logs := s.all
	s.mu.Unlock()
	all := make([]LogVolume, 0, len(logs))
	for _, l := range logs {
		if bytes := l.told.bytes.Load(); bytes > 0 {
			all = append(all, LogVolume{l.name, l.told.lines.Load(), bytes})
		}
	}
	slices.SortFunc(all, func(a, b LogVolume) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Log, b.Log)) })
	return all[:min(n, len(all))]
}

// discarded counts a file that was deleted.
func (c *counters) discarded(reason Reason, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deleted == nil {
		c.deleted = map[Reason]Volume{}
	}
	v := c.deleted[reason]
	c.deleted[reason] = Volume{v.Files + 1, v.Bytes + size}
}

// summarize logs how many files were deleted since the last time, and why.
func (s *Store) summarize() {
	c := &s.stats
	c.mu.Lock()
	defer c.mu.Unlock()
	for reason, v := range c.deleted {
		if files := v.Files - c.said[reason].Files; files > 0 {
			s.logger.Info("deleted rotated files", "reason", string(reason), "files", files, "bytes", v.Bytes-c.said[reason].Bytes)
		}
	}
	c.said = maps.Clone(c.deleted)
}
