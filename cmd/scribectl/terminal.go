package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/logscribe/logscribe/internal/cli"
)

// terminalSize returns how many columns and rows the terminal has that out is; 0 and 0 if it is none.
func terminalSize(out io.Writer) (columns, rows int) {
	f, ok := out.(*os.File)
	if !ok || !cli.IsTerminal(f) {
		return 0, 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 { // as on a serial line
		return 80, 24
	}
	return int(size.Col), int(size.Row)
}
