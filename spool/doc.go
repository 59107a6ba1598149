// Package spool is the agent's durable queue: blocks of lines wait in it, on local disk, until a receipt says that they
// are safe on a Scribe's disk. It knows blocks and checkpoints, nothing of files or of the network.
//
// # Invariants
//
//   - A batch is stored whole or not at all: its blocks and the checkpoints that they reach go into one transaction,
//     synced before Append returns. So a source that resumes at its checkpoint neither skips nor repeats a line.
//   - Sequences are given out at Append, in the order of the calls: by log, from 1, without holes, never twice.
//   - A stored block never changes. It leaves when it is settled, or when the operator chose to drop the oldest blocks
//     rather than to wait; what is dropped is counted in the log's record for good.
//   - Settling is lazy: it rides on the next transaction, or follows shortly. A crash before that makes settled blocks
//     come again, which the Scribe recognises by their sequences.
//   - One process at a time: Open locks the file.
//
// # Layout
//
// A spool is one bbolt file (go.etcd.io/bbolt) with four buckets. Integers are big-endian.
//
//	meta         "version" -> 1 byte, the version of this layout, 1
//	             "producer" -> 16 bytes, the spool's identity (UUID)
//	queues       log name -> queue record (see queue.go): the log's number, its sequences, what it holds
//	blocks       log number, 4 bytes, and first sequence, 8 bytes -> block record (see record.go)
//	checkpoints  key of the source -> value of the source
//
// Keys of the blocks of one log lie together and in order, so that reading a log's oldest blocks needs one seek and no
// index in memory, however large the backlog.
//
// # Use
//
// Sources call Append, from as many goroutines as they like: concurrent calls share a transaction. One shipper waits on
// Appended, takes what TakeAppended tells, reads blocks with Read and settles them with Settle.
package spool
