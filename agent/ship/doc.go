// Package ship carries blocks from the spool to the Scribes, and settles them on their receipts.
//
// # Invariants
//
//   - Only a receipt settles blocks, and only up to the sequence that it calls committed.
//   - At most one stream in flight carries a given log; it begins at the oldest line that the spool holds. Lines of another
//     producer go with a later one.
//   - Lines that the spool says must wait for a receipt of their log do so: Queue.Until.
//   - A log waits for nothing but its owner: logs of different owners never share a stream, once the owners are known.
//   - Nothing is kept that the spool does not hold: a shipper may die at any point.
//
// # Layout
//
//	shipper.go  Shipper: decides which logs go into which stream, and when
//	lane.go     lane: the logs of one owner, what of them waits, and the owner's back-off
//	stream.go   stream: one Append call from Hello to receipts
//	doubt.go    doubt: is it the log, or one of its blocks, that is refused as invalid
//	backoff.go  backoff: growing, jittered pauses
//	trouble.go  trouble: what is logged of a state that lasts
//	stats.go    Stats: what there is to count
//
// # States of a log
//
// A log without blocks is idle. With blocks it is ready in its owner's lane, until a stream takes it;
// when the stream ends it is ready again if blocks are left, or paused if its receipt told of a trouble of its own. While
// the spool holds it, to give its lines another producer or to set a block aside, it is idle too. A
// lane whose owner, or whose connection, is in trouble pauses as a whole.
package ship
