package ship

import (
	"sync/atomic"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/latency"
)

// Stats are what the shipper has done since New.
type Stats struct {
	Streams  uint64 // begun
	Failures uint64 // streams that ended without receipts

	// What was sent. What had no receipt is sent again, and counts again.
	Blocks, Lines uint64
	Bytes         uint64 // of payloads, as they were sent

	// ShippedBytes are those of the lines that have a receipt. Of blocks of which a receipt covers only some, it is their
	// mean.
	ShippedBytes uint64

	Receipts latency.Snapshot // from the first block of a stream until the receipts of all
}

type counters struct {
	streams, failures    atomic.Uint64
	blocks, lines, bytes atomic.Uint64
	shippedBytes         atomic.Uint64
	receipts             latency.Histogram
}

// sent counts a block.
func (c *counters) sent(b *block.Block) {
	c.blocks.Add(1)
	c.lines.Add(uint64(b.Count))
	c.bytes.Add(uint64(len(b.Payload)))
}

// shipped counts what a receipt says of the lines that a stream has sent of one log.
func (c *counters) shipped(sent *cursor, committed uint64) {
	if sent.next <= sent.queue.Oldest || committed < sent.queue.Sequence {
		return
	}
	lines := sent.next - sent.queue.Oldest
	arrived := min(lines, committed+1-sent.queue.Sequence)
	c.shippedBytes.Add(uint64(float64(sent.raw) * (float64(arrived) / float64(lines))))
}

// answered counts the receipts of a stream whose first block was sent at that time; zero if it had none.
func (c *counters) answered(began time.Time) {
	if !began.IsZero() {
		c.receipts.Since(began)
	}
}

// Stats returns the counts. It is safe for concurrent use.
func (s *Shipper) Stats() Stats {
	c := &s.stats
	return Stats{
		Streams: c.streams.Load(), Failures: c.failures.Load(),
		Blocks: c.blocks.Load(), Lines: c.lines.Load(), Bytes: c.bytes.Load(), ShippedBytes: c.shippedBytes.Load(), Receipts: c.receipts.Snapshot(),
	}
}

// Busy returns how long the goroutine of Run has been at one piece of its work; 0 while it waits for some.
func (s *Shipper) Busy() time.Duration {
	if latest := s.latest.Load(); latest != 0 {
		return time.Since(time.Unix(0, latest))
	}
	return 0
}
