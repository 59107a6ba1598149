package spool

import "github.com/logscribe/logscribe/internal/block"

// Batch is what Append commits in one transaction: drafts, the checkpoints that reading them reached, and what was lost on
// the way there. Each part may be empty. Of losses the spool fills in how often and when.
type Batch struct {
	Drafts      []block.Draft
	Checkpoints []Checkpoint
	Losses      []Loss
}
