package spool

import "github.com/logscribe/logscribe/internal/block"

// Batch is what Append commits in one transaction: drafts, and the checkpoints that reading them reached. Either part
// may be empty.
type Batch struct {
	Drafts      []block.Draft
	Checkpoints []Checkpoint
}

// Checkpoint is how far a source has been read. To the spool, key and value are opaque; a source begins its keys with
// its own prefix. A nil value removes the key.
type Checkpoint struct {
	Key   string
	Value []byte
}
