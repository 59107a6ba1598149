package store

import (
	"errors"
	"fmt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// The errors that the store's functions wrap.
var (
	ErrLocked  = errors.New("another Scribe holds it")
	ErrVersion = errors.New("it was written by another release")
	ErrDamaged = boltfile.ErrDamaged
	ErrClosed  = errors.New("the store is closed")
	// ErrOtherRoot says that the folder is not the root that belongs to its path.
	ErrOtherRoot = errors.New("this is not the folder that was here")
	// ErrLost says that appended lines were cut back before they were committed. Their producer must send them again.
	ErrLost = errors.New("lines were appended but could not be committed")
)

// errTampered says that others have changed a file that the store alone should write to.
var errTampered = errors.New("something else has changed the file")

// GapError refuses a block that does not follow on the last sequence.
type GapError struct {
	Log         string
	Next, First uint64 // the sequence expected, and the one that came
}

func (e *GapError) Error() string {
	return fmt.Sprintf("log %q: lines %d to %d are missing", e.Log, e.Next, e.First-1)
}

// SupersededError refuses a stream of an identity whose spool another one has taken the place of.
type SupersededError struct {
	Identity           string
	Generation, Newest uint64
}

func (e *SupersededError) Error() string {
	return fmt.Sprintf("identity %q: this is generation %d of its spools, and generation %d has begun. If an old spool was put "+
		"back, move it away: the agent then makes a new one, and reads its files on from where the Scribes have them. If "+
		"another agent has the same identity, give each its own", e.Identity, e.Generation, e.Newest)
}

// FencedError refuses an owner whose epoch is older than the newest seen.
type FencedError struct {
	Log         string
	Epoch, Seen uint64
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("log %q: epoch %d is over, epoch %d has begun", e.Log, e.Epoch, e.Seen)
}
