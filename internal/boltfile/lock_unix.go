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

func lock(file *os.File, how int, timeout time.Duration) error {
	for end := time.Now().Add(timeout); ; time.Sleep(timeout / 10) {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return ErrLocked
		}
	}
}

func unlock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
