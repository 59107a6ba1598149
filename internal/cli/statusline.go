package cli

import (
	"io"
	"slices"
	"sync"
)

// StatusLine keeps the last line of a terminal for how a program does, and replaces it in place. What is written through
// it, a whole line at a time, stands above. Its methods may be called concurrently. A nil one shows nothing.
type StatusLine struct {
	mu   sync.Mutex
	out  io.Writer
	live string // what it shows now
	done bool   // Close was called
}

const (
	clearLine  = "\r\x1b[K"
	noWrapping = "\x1b[?7l" // a line that is wider than the terminal is cut off there
	wrapping   = "\x1b[?7h"
)

// Show replaces the line; "" takes it away.
func (s *StatusLine) Show(line string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.showLocked(line)
}

func (s *StatusLine) showLocked(line string) {
	if line == s.live || s.done {
		return
	}
	s.live = line
	_, _ = io.WriteString(s.out, clearLine+s.alive()) // whoever has closed it does not look
}

// Close takes the line away for good, though a goroutine that nobody waits for goes on.
func (s *StatusLine) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.showLocked("")
	s.done = true
}

// Write writes text above the line.
func (s *StatusLine) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == "" {
		return s.out.Write(text)
	}
	if _, err := s.out.Write(slices.Concat([]byte(clearLine), text, []byte(s.alive()))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// alive returns what shows the line.
func (s *StatusLine) alive() string {
	if s.live == "" {
		return ""
	}
	return noWrapping + s.live + wrapping
}
