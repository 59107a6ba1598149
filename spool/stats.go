package spool

import (
	"slices"
	"strings"

	"github.com/logscribe/logscribe/internal/latency"
	"github.com/logscribe/logscribe/internal/size"
)

// Stats is what there is to count of a spool, for metrics. Counts begin with Open, unless they say otherwise.
type Stats struct {
	// Forks is how often the spool took a new producer, because it was a copy or others wrote on under the old one.
	Forks uint64
	// Queues are the states of all logs, sorted by name; they count what was dropped and set aside.
	Queues []Queue

	FileBytes    int64  // what the spool takes on its disk, a compaction's new file included
	UsedBytes    int64  // what of it holds something: blocks, checkpoints, and what it takes to find them
	FreeBytes    int64  // what further batches may take; size.Unlimited where there is no limit
	BlockBytes   int64  // of the block records alone
	DroppedLines uint64 // because the spool was full, since the spool was made
	Waiting      int64  // batches that wait: for room, for the disk, or for others to share their transaction
	Waits        uint64 // batches that had to wait for room or for the disk
	DiskErrors   uint64 // attempts to write, or to get more of the disk, that failed
	Compactions  uint64 // the file was written anew

	Failing      bool             // the disk takes no batches now
	StoredLines  uint64           // by Append
	StoredBytes  uint64           // of these lines
	SettledLines uint64           // that left because they are safe elsewhere
	Commits      latency.Snapshot // of the transactions that write, with their syncs
}

// Stats returns the counts as they are now, and the sizes as of the last change.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Forks, stats.BlockBytes = s.current.forks, s.bytes
	stats.Commits = s.commits.Snapshot()
	for log, q := range s.queues {
		snapshot := s.snapshotLocked(log, q)
		stats.Queues = append(stats.Queues, snapshot)
		stats.DroppedLines += snapshot.Dropped
	}
	slices.SortFunc(stats.Queues, func(a, b Queue) int { return strings.Compare(a.Log, b.Log) })
	if stats.FreeBytes == unlimited {
		stats.FreeBytes = size.Unlimited
	}
	return stats
}

// publish makes the figures what others see.
func (w *writer) publish() {
	disk, err := w.diskBytes()
	if err != nil {
		w.logger.Debug("can't tell the size of the spool's file", "error", err)
	}
	used, room := w.used(), w.roomLeft()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.FileBytes, w.stats.UsedBytes, w.stats.FreeBytes = disk, used, room
	w.stats.Waiting = int64(len(w.waiting))
	w.stats.Failing = w.troubled || w.shortage != nil && len(w.waiting) > 0
}
