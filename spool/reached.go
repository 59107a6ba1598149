package spool

import (
	"bytes"
	"maps"
	"slices"

	"github.com/logscribe/logscribe/internal/block"
)

// reachedChunk is how many bytes of payloads are read at once to find their checkpoints.
const reachedChunk = 1 << 20

// Reached returns the checkpoints that the stored blocks carry: for each log, the last one of each source. It reads all
// blocks, and is for the rare case that the checkpoints themselves are lost. Of a log with a damaged block it returns
// those before it, and the first such error.
func (s *Spool) Reached() ([]block.Checkpoint, error) {
	s.mu.Lock()
	logs := slices.Sorted(maps.Keys(s.queues))
	s.mu.Unlock()
	var all []block.Checkpoint
	var failed error
	for _, log := range logs {
		last := map[string]block.Checkpoint{}
		var blocks []block.Block
		var buf []byte
		q := s.Queue(log)
		for from := q.Oldest; ; {
			var err error
			blocks, buf, err = s.Read(blocks[:0], buf[:0], log, from, reachedChunk)
			if failed == nil {
				failed = err
			}
			for _, b := range blocks {
				if from == q.Oldest {
					from -= q.Sequence - b.First // the oldest block may be settled in part
				}
				from += uint64(b.Count)
				if c := b.Reached; c.Source != "" {
					c.Value = bytes.Clone(c.Value) // it lies in buf
					last[c.Source] = c
				}
			}
			if err != nil || len(blocks) == 0 {
				break
			}
		}
		all = slices.AppendSeq(all, maps.Values(last))
	}
	return all, failed
}
