package failpoint

// Point names a place in the code: a moment between two steps at which the process may die, or the second of the two a
// system call that may fail.
type Point string

// The points of the Scribe's store, in the order in which a line passes them. New ones go into All, too.
const (
	// An append.
	AppendWrite   Point = "append.write"   // before the lines are written to the active file
	AppendWritten Point = "append.written" // after

	// A round of the committer.
	CommitFile    Point = "commit.file"    // before a log's file is synced
	CommitSynced  Point = "commit.synced"  // after
	CommitFolder  Point = "commit.folder"  // before a folder is synced
	CommitLedger  Point = "commit.ledger"  // all is synced, before the ledger's transaction
	CommitRecord  Point = "commit.record"  // in the transaction, all changes made
	CommitDone    Point = "commit.done"    // after the transaction
	CommitReceipt Point = "commit.receipt" // before the receipts

	// A rotation.
	RotateReserve Point = "rotate.reserve" // before names are reserved in the ledger
	RotateRename  Point = "rotate.rename"  // before the active file is renamed
	RotateRenamed Point = "rotate.renamed" // after
	RotateFull    Point = "rotate.full"    // before rotated files are synced ahead of their round
	RotateCreate  Point = "rotate.create"  // before the new active file is made
	RotateCreated Point = "rotate.created" // after

	// A rotation of a log that nobody writes to.
	QuietRotate  Point = "quiet.rotate"  // before a rotation, if the period is still over
	QuietRotated Point = "quiet.rotated" // after

	// The compression of a rotated file.
	CompressCreate  Point = "compress.create"  // before the compressed file is made, under a temporary name
	CompressSync    Point = "compress.sync"    // it is written, before it is synced
	CompressVerify  Point = "compress.verify"  // it is synced, before it is read again
	CompressRename  Point = "compress.rename"  // it is whole, before it gets its name
	CompressRenamed Point = "compress.renamed" // after, before the folder is synced
	CompressRemove  Point = "compress.remove"  // the folder is synced, before the plain file is removed

	// Retention.
	DiscardRemove Point = "discard.remove" // before a rotated file is deleted

	// A log's first use.
	OpenEnter  Point = "open.enter"  // before a new log is entered in the ledger
	OpenFolder Point = "open.folder" // before its folder is made
	OpenCreate Point = "open.create" // before its active file is opened, or made

	// A log that gets files of another form.
	SwitchRename  Point = "switch.rename"  // before the active file is renamed, or removed if it is empty
	SwitchRenamed Point = "switch.renamed" // after, before the folder is synced
	SwitchLedger  Point = "switch.ledger"  // before the new file is entered in the ledger
	SwitchDone    Point = "switch.done"    // after, before it is made

	// The way back to the committed state.
	RecoverRemove  Point = "recover.remove"  // before a rotated file that holds nothing committed is removed
	RecoverRename  Point = "recover.rename"  // before the file that was active gets its name back
	RecoverRenamed Point = "recover.renamed" // after, before the folder is synced
	RecoverCut     Point = "recover.cut"     // before uncommitted bytes are cut off
	RecoverDone    Point = "recover.done"    // after
)

// All are all points. A test takes each of them with each action.
var All = []Point{
	AppendWrite, AppendWritten,
	CommitFile, CommitSynced, CommitFolder, CommitLedger, CommitRecord, CommitDone, CommitReceipt,
	RotateReserve, RotateRename, RotateRenamed, RotateFull, RotateCreate, RotateCreated,
	QuietRotate, QuietRotated,
	CompressCreate, CompressSync, CompressVerify, CompressRename, CompressRenamed, CompressRemove,
	DiscardRemove,
	OpenEnter, OpenFolder, OpenCreate,
	SwitchRename, SwitchRenamed, SwitchLedger, SwitchDone,
	RecoverRemove, RecoverRename, RecoverRenamed, RecoverCut, RecoverDone,
}
