package boltfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// ErrLocked says that others have the file open; the error that wraps it is a LockedError.
var ErrLocked = errors.New("another process has it open")

// LockedError says who keeps others from the file. It wraps ErrLocked.
type LockedError struct {
	Reading bool     // they only read it
	Holders []Holder // as far as the system tells
}

func (e *LockedError) Error() string {
	does := "has it open"
	if e.Reading {
		does = "reads it"
	}
	return e.Who() + " " + does
}

func (e *LockedError) Unwrap() error { return ErrLocked }

// Who names the processes, in the singular.
func (e *LockedError) Who() string {
	switch n := len(e.Holders); n {
	case 0:
		return "another process"
	case 1:
		return e.Holders[0].String()
	default:
		return fmt.Sprintf("%v, with %d others,", e.Holders[0], n-1)
	}
}

// Holder is a process that has a file locked.
type Holder struct {
	PID  int
	Args []string // its command line; empty if that can't be read
}

func (h Holder) String() string {
	if len(h.Args) == 0 {
		return fmt.Sprintf("process %d", h.PID)
	}
	return fmt.Sprintf("process %d (%s)", h.PID, h.Command())
}

// maxCommand is how much of a command line is shown, in characters.
const maxCommand = 120

// Command returns the command line, on one line, without the program's folder, and the beginning of a long one.
func (h Holder) Command() string {
	args := append([]string{}, h.Args...)
	if len(args) > 0 {
		args[0] = filepath.Base(args[0])
	}
	text := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(args, " ")))
	if len(text) > maxCommand {
		return string(text[:maxCommand]) + "…"
	}
	return string(text)
}
