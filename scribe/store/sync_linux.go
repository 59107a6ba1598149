package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fdatasync makes the file's bytes and size durable. It fails on a file that is closed before it returns.
func fdatasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) { // holds the descriptor open
		for {
			if syncErr = unix.Fdatasync(int(fd)); syncErr != unix.EINTR {
				return
			}
		}
	})
	if err == nil {
		err = syncErr
	}
	if err != nil {
		return fmt.Errorf("fdatasync %s: %w", f.Name(), err)
	}
	return nil
}
