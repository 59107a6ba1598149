package cli

import (
	"io"
	"os"
)

// IsTerminal says whether r is a terminal.
func IsTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a character device too, and often a daemon's stdin
	return err != nil || !os.SameFile(info, null)
}
