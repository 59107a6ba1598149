package mediator

import (
	"time"

	"github.com/logscribe/logscribe/internal/latency"
)

// Stats is what a Mediator tells of itself at one moment. The numbers count from its start.
type Stats struct {
	Scribes []ScribeStats // in the order of their ids
	Logs    int           // logs that have an owner

	Streams     uint64           // Append streams begun
	Calls       uint64           // of Log
	Blocks      uint64           // blocks relayed, by streams that have ended
	Bytes       uint64           // the size of these as sent
	Receipts    latency.Snapshot // from the end of a stream until its receipts
	Failovers   uint64           // logs that got another owner
	EpochRaises uint64           // epochs raised to what a Scribe had seen
}

// ScribeStats is one registered Scribe.
type ScribeStats struct {
	ID, Address, Software string

	Up      bool
	DownFor time.Duration
	Trouble string // why it is down
	Logs    int    // logs that it owns
}

// Stats returns the current state. It may be called at any time.
func (m *Mediator) Stats() Stats {
	st := Stats{
		Streams: m.streams.Load(), Calls: m.calls.Load(), Blocks: m.blocks.Load(), Bytes: m.bytes.Load(), Receipts: m.receipts.Snapshot(),
		Failovers: m.owners.failovers.Load(), EpochRaises: m.owners.raises.Load(),
	}
	owned := m.owners.count()
	for _, n := range owned {
		st.Logs += n
	}
	for _, s := range m.registry.all() {
		up, down, trouble := s.state()
		one := ScribeStats{ID: s.id, Address: s.address, Software: s.software, Up: up, DownFor: down, Logs: owned[s.id]}
		if trouble != nil {
			one.Trouble = trouble.Error()
		}
		st.Scribes = append(st.Scribes, one)
	}
	return st
}
