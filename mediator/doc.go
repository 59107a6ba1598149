// Package mediator is the front door of Log Scribe: Scribes register with it, agents send their streams to it, and it
// relays each log to the one Scribe that owns it.
//
// # Invariants
//
//   - A log has one owner. Who it is and with which epoch is on disk before the first block is relayed to it, and
//     stays so until the owner has been down for longer than Config.FailoverAfter; then the epoch grows.
//   - The mediator acknowledges nothing itself: every OK receipt comes from an owner, and every log that a stream opened
//     gets exactly one receipt.
//   - Blocks pass undecoded and uncopied. Of a block, only its log's name is read.
//   - A Scribe that is down, slow or hung delays only streams that carry its logs, and a hung one delays those only
//     until its next health check fails.
//   - Nothing is queued: what a stream holds is bounded by its flow control windows and one message.
//   - On the way of a block there is no lock and no lookup that is shared between streams.
//
// # Layout
//
//	mediator.go    Mediator: what New opens, what Run serves, and in which order it stops
//	config.go      Config
//	store.go       the bbolt file: who is registered, who owns what
//	registry.go    the Scribes by identity; registration
//	scribe.go      one registered Scribe: its connection, its health, and the context of all that is relayed to it
//	owners.go      the owner of each log: remembered, chosen, failed over
//	rendezvous.go  the choice among several Scribes
//	relay.go       one Append stream from an agent
//	upstream.go    one Append stream to a Scribe, on behalf of a relay
//	head.go        what is read of a message before it is passed on
//	log.go         the unary call: Log
//	resume.go      Resume: what all Scribes know of an agent that lost its spool
//	directory.go   the Registry service: Register, Resolve
//	describe.go    the Status service: how all do, of which it asks the Scribes; what agents report
//	listing.go     the same of logs
//	stats.go       what a Mediator tells of itself
//	metrics.go     the same for Prometheus; does it live, is it ready
//
// # Use
//
//	m, err := mediator.New(mediator.Config{Listen: ":8000", DataDir: "/var/lib/scribe-mediator"})
//	if err != nil { ... }
//	err = m.Run(ctx) // until ctx ends
//
// # Limitations
//
// A stream carries at most 4096 logs, so that its receipts fit in one message.
//
// Whoever may connect may also register as a Scribe: without mutual TLS the mediator's network must be trusted.
// Mediators with a data folder each do not know of each other's decisions; they agree as long as the same Scribes are
// up. Where they don't, a Scribe refuses only epochs that are older than one it has seen itself.
// A lost data folder costs the memory of who owned what: logs that had failed over, or whose Scribes were not up when
// they were first used, may then be given to another Scribe, with the earlier lines staying where they are.
package mediator
