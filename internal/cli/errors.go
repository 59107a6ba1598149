package cli

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// UsageError is a mistake in flags, environment or configuration. Main ends with exit code 2 for it.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError. The format is that of fmt.Errorf.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Usage returns err as a UsageError, and nil for nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &UsageError{err}
}

// oneLine is err as a user reads it: in one line, after the program's name.
func oneLine(program string, err error) string {
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "listen" && errors.Is(err, syscall.EADDRINUSE) {
		text = fmt.Sprintf("can't listen on %s: another process already does", op.Addr)
	}
	for _, prefix := range []string{program + ": ", strings.TrimPrefix(program, "scribe-") + ": "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return program + ": " + flat(text)
}

// flat makes one line of several.
func flat(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
