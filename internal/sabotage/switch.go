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
	// FileSync: the Scribe syncs log files before it enters them in the ledger.
	FileSync Switch = "filesync"
	// FolderSync: the Scribe syncs the folders in which files were made or renamed.
	FolderSync Switch = "foldersync"
	// BoltSync: bbolt, and so ledger and spool, syncs its file with each transaction.
	BoltSync Switch = "boltsync"
)
