package main

import (
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/logscribe/logscribe/internal/cli"
)

// The orders to a terminal that are used here, as ECMA-48 and xterm have them.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // a screen of its own, no cursor, no wrapped lines
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	toBegin     = "\x1b[H"
	clearRest   = "\x1b[K" // of the line
	clearBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	normal      = "\x1b[m"
)

// screen draws in place on a terminal. Close leaves the terminal as it was before.
type screen struct {
	out   io.Writer
	in    *os.File      // nil if keys are not read
	keys  *unix.Termios // as they were before
	done  chan struct{} // closed by close
	reads sync.WaitGroup
	ended sync.Once
}

// openScreen takes the terminal. If stdin is one too, the key q calls quit.
func openScreen(stdin io.Reader, out io.Writer, quit func()) (*screen, error) {
	s := &screen{out: out, done: make(chan struct{})}
	if cli.IsTerminal(stdin) {
		if err := s.readKeys(stdin.(*os.File), quit); err != nil {
			return nil, err
		}
	}
	if _, err := io.WriteString(out, enterScreen); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// readKeys has the terminal hand over keys at once, and without showing them; those that send signals still do, but for that
// which suspends, as that would leave the terminal so.
func (s *screen) readKeys(in *os.File, quit func()) error {
	before, err := unix.IoctlGetTermios(int(in.Fd()), getTermios)
	if err != nil {
		return err
	}
	mode := *before
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 0, 1 // a read ends after a tenth of a second
	mode.Cc[unix.VSUSP] = noKey
	if err := unix.IoctlSetTermios(int(in.Fd()), setTermios, &mode); err != nil {
		return err
	}
	s.in, s.keys = in, before
	s.reads.Go(func() {
		key := make([]byte, 1)
		for {
			select {
			case <-s.done:
				return
			default:
			}
			n, err := unix.Read(int(in.Fd()), key) // not by the File, which would take no key for an end
			if err != nil && err != unix.EINTR && err != unix.EAGAIN {
				return
			}
			if n == 1 && (key[0] == 'q' || key[0] == 'Q') {
				quit()
			}
		}
	})
	return nil
}

// draw shows the lines.
func (s *screen) draw(lines []string) error {
	var b strings.Builder
	b.WriteString(toBegin)
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + clearRest)
	}
	b.WriteString(clearBelow)
	_, err := io.WriteString(s.out, b.String())
	return err
}

// close may be called again, and concurrently.
func (s *screen) close() {
	s.ended.Do(func() {
		close(s.done)
		s.reads.Wait()
		_, _ = io.WriteString(s.out, leaveScreen) // the terminal may be gone
		if s.keys != nil {
			_ = unix.IoctlSetTermios(int(s.in.Fd()), setTermios, s.keys)
		}
	})
}
