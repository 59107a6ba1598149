package spool

import "github.com/logscribe/logscribe/internal/block"

// Batch is what Append commits in one transaction: drafts, and the checkpoints that reading them reached. Either part
// may be empty.
type Batch struct {
	Drafts      []block.Draft
	Checkpoints []Checkpoint
}
