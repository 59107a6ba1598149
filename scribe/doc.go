// Package scribe is the worker: it takes log lines over gRPC, writes them to files, and acknowledges only what is synced.
//
// # Invariants
//
//   - A receipt, or the answer of a unary call, is sent only after the store has committed what it speaks of.
//   - A log's trouble is answered in that log's receipt; the other logs of its stream go on.
//   - Once Resume has begun to answer, no block of an older spool of that identity is written any more.
//   - A Scribe that has registered with mediators writes only for the owner of an epoch: what comes without one is
//     checked with a mediator first.
//
// # Layout
//
//	scribe.go    Scribe: New, Run, Reload
//	embedded.go  a Scribe inside an agent, reached in process
//	intake.go    Append: one stream of blocks, its receipts
//	direct.go    the unary call: Log
//	resume.go    Resume: agents that have an identity and begin with an empty spool
//	console.go   the copy of all lines for -console
//	register.go  being known to mediators
//	status.go    errors of the store as codes of gRPC
//	describe.go  the Status service: how it does, its logs, what agents report
//	metrics.go   what it tells Prometheus
//	health.go    does it live, is it ready
//	store/       files, ledger, rotation, recovery, retention, compression
package scribe
