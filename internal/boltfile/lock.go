package boltfile

import (
	"context"
	"errors"
	"os"
	"time"
)

// A file is locked itself, by flock: the lock belongs to the process that has the file open, and ends with it, however it
// ends. So nothing is ever left behind, and a copy of a file is not locked. One process alone may write; those that only
// read share the file among them.

const (
	// lockTimeout is how long it is waited for another process to let go of the file, and lockPause the time between two
	// attempts.
	lockTimeout = 100 * time.Millisecond
	lockPause   = 10 * time.Millisecond
	// lockAttempts is how often Lock begins anew where the file was replaced while it waited for the lock.
	lockAttempts = 3
)

// How long AwaitReaders waits at most, after what time it says so, and the pause between two attempts.
const (
	readersTimeout = 10 * time.Second
	readersSay     = time.Second
	readersPause   = 50 * time.Millisecond
)

// Lock opens the file for reading and writing, and keeps it from other processes until it is closed. If create is set, a
// missing one is made. The error wraps ErrLocked, or says what the system said.
func Lock(path string, create bool) (*os.File, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	return openLocked(path, flag, exclusive)
}

// OpenForReading opens the file for reading alone. Unless another process has it open for writing, which is said, none
// will until it is closed.
func OpenForReading(path string) (file *os.File, inUse *LockedError, err error) {
	file, err = openLocked(path, os.O_RDONLY, shared)
	if inUse, ok := errors.AsType[*LockedError](err); ok {
		file, err = os.Open(path)
		return file, inUse, err
	}
	return file, nil, err
}

func openLocked(path string, flag, how int) (*os.File, error) {
	for range lockAttempts {
		file, err := os.OpenFile(path, flag, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lock(file, how, lockTimeout); err != nil {
			file.Close()
			return nil, err
		}
		// A process that compacts its file renames a new one over it. Who waited for the lock of the old one now holds
		// a file without a name.
		same, err := leadsTo(path, file)
		if err == nil && same {
			return file, nil
		}
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, &LockedError{}
}

// leadsTo says whether the file stands at the path.
func leadsTo(path string, file *os.File) (bool, error) {
	at, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	own, err := file.Stat()
	return err == nil && os.SameFile(at, own), err
}

// AwaitReaders calls open, and again while its error says that others read the file: they end by themselves, mostly soon.
// After a second say is called with that error, once; after ten the error is returned. When the context ends, its error is.
func AwaitReaders(ctx context.Context, say func(error), open func() error) error {
	began, said := time.Now(), false
	for {
		err := open()
		locked, ok := errors.AsType[*LockedError](err)
		waited := time.Since(began)
		if !ok || !locked.Reading || waited >= readersTimeout {
			return err
		}
		if waited >= readersSay && !said {
			said = true
			say(err)
		}
		select {
		case <-time.After(readersPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
