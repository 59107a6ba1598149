package sabotage

// Switch names one protection.
type Switch string

// The protections that can be switched off.
const (
	// Dedup: the Scribe compares a block's sequences with its ledger.
	Dedup Switch = "dedup"
	// Cut: a Scribe that starts cuts its files back to their committed size.
	Cut Switch = "cut"
	// Joint: the spool stores blocks and the checkpoints that they reach in one transaction.
	Joint Switch = "joint"
)
