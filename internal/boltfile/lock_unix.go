//go:build unix && !solaris && !aix

package boltfile

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// The locks are those that bbolt takes: they belong to the open file, so that bbolt finds it locked for itself.
const (
	exclusive = syscall.LOCK_EX
	shared    = syscall.LOCK_SH
)

// lock locks the file, for which it waits that long. The error is a LockedError, or what the system said.
func lock(file *os.File, how int, timeout time.Duration) error {
	for end := time.Now().Add(timeout); ; time.Sleep(lockPause) {
		err := flock(file, how)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return held(file, how)
		}
	}
}

// held says who holds a lock of the file. Where reading is all they do, this process could do so too.
func held(file *os.File, how int) *LockedError {
	e := &LockedError{}
	if how == exclusive && flock(file, shared) == nil {
		e.Reading = true
		_ = unlock(file) // the caller closes it
	}
	e.Holders = holders(file)
	return e
}

func flock(file *os.File, how int) error { return syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB) }

func unlock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
