package demo

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// screen is what people see. On a terminal its last line is alive; elsewhere there are only lines of what has happened.
// Its methods may be called concurrently.
type screen struct {
	terminal bool
	begin    time.Time

	mu   sync.Mutex
	out  io.Writer
	live string // what the last line shows, on a terminal
}

// columns is how wide a line may be.
const columns = 79

const clearLine = "\r\x1b[K"

// printf writes text above the line that is alive.
func (s *screen) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if s.live != "" {
		text = clearLine + text + s.live
	}
	_, _ = io.WriteString(s.out, text) // whoever has closed it does not look
}

// event says what has happened just now.
func (s *screen) event(format string, args ...any) {
	s.printf("%s  %s\n", s.clock(), fmt.Sprintf(format, args...))
}

func (s *screen) clock() string { return fmt.Sprintf("%5.1fs", time.Since(s.begin).Seconds()) }

// barWidth is the number of characters that show how far it is.
const barWidth = 12

// progress shows how far it is; down are the programs that do not run.
func (s *screen) progress(lines, written, onDisk int, down []string) {
	if !s.terminal {
		return
	}
	full := barWidth * onDisk / max(1, lines)
	bar := strings.Repeat("█", min(full, barWidth)) + strings.Repeat("·", barWidth-min(full, barWidth))
	state := "all up"
	if len(down) > 0 {
		state = strings.Join(down, ", ") + " down"
	}
	line := []rune(fmt.Sprintf("%s  %s  written %s  on disk %s  %s", s.clock(), bar, thousands(written), thousands(onDisk), state))
	s.show(string(line[:min(len(line), columns)]))
}

// show replaces the line that is alive; "" takes it away.
func (s *screen) show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal && line != s.live {
		s.live = line
		_, _ = io.WriteString(s.out, clearLine+line)
	}
}

// thousands writes a number for people: 1,234,567.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
