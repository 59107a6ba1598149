package stdin

import (
	"sync/atomic"

	"github.com/logscribe/logscribe/internal/block"
)

// Stats are what the source has done since New.
type Stats struct {
	Lines int64 // handed to the spool; pieces of long lines count each
	Bytes int64 // of these lines
}

type counters struct{ lines, bytes atomic.Int64 }

// add counts lines that are spooled.
func (c *counters) add(drafts []block.Draft) {
	for i := range drafts {
		c.lines.Add(int64(drafts[i].Count))
		c.bytes.Add(int64(drafts[i].RawSize))
	}
}

// Stats returns the counts. It is safe for concurrent use.
func (s *Source) Stats() Stats { return Stats{s.stats.lines.Load(), s.stats.bytes.Load()} }
