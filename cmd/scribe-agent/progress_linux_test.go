package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo terminal; what is written to it is kept.
type terminal struct {
	*os.File // what programs take for a terminal
	ends     func() string

	mu    sync.Mutex
	shown strings.Builder
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{File: slave}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			term.mu.Lock()
			term.shown.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	term.ends = func() string {
		slave.Close() // the last one: the master's reader meets the end
		<-read
		master.Close()
		return term.text()
	}
	return term
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown.String()
}

// screen returns the lines that a terminal shows in the end.
func screen(t *testing.T, written string) []string {
	t.Helper()
	lines := []string{""}
	for written != "" {
		last := &lines[len(lines)-1]
		switch rest, c := written[1:], written[0]; {
		case strings.HasPrefix(written, "\r\n"):
			lines = append(lines, "")
			written = written[2:]
		case strings.HasPrefix(written, "\r\x1b[K"):
			*last = ""
			written = written[4:]
		case strings.HasPrefix(written, "\x1b[?7"):
			written = written[5:]
		case c == '\r' || c == '\n' || c == 0x1b:
			t.Fatalf("what is %.40q?", written)
		default:
			*last += string(c)
			written = rest
		}
	}
	return lines
}

// TestStatusLine: on a terminal one line says how far the agent is; in the end it is gone, and no other line of the log
// was written into it.
func TestStatusLine(t *testing.T) {
	for name, args := range map[string][]string{"text": nil, "json": {"-log-format", "json"}} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			term := newTerminal(t)
			stdin, writer := io.Pipe()
			h := host(append([]string{"-local", "out", "-log", "a", "-ops", "off", "-max-line", "100B"}, args...)...)
			h.Stdin, h.Stdout, h.Stderr = stdin, io.Discard, term.File
			ended := make(chan int)
			go func() { ended <- run(h) }()
			shows := func(text string) {
				for begin := time.Now(); name == "text" && !strings.Contains(term.text(), text) && time.Since(begin) < 20*time.Second; {
					time.Sleep(10 * time.Millisecond)
				}
			}
			fmt.Fprint(writer, strings.Repeat("a line\n", 500))
			shows("read 500 lines  delivered 500  waiting 0")
			fmt.Fprint(writer, strings.Repeat("x", 150)+"\n") // is warned of above the line
			shows("read 502 lines  delivered 502  waiting 0")
			writer.Close()
			if code := <-ended; code != 0 {
				t.Errorf("code %d", code)
			}
			text := term.ends()
			if alive := strings.Contains(text, "\x1b"); alive != (name == "text") || alive && !strings.Contains(text, "read 502 lines  delivered 502  waiting 0") {
				t.Errorf("%q", text)
			}
			lines := screen(t, text)
			last := lines[len(lines)-1]
			for _, line := range lines[:len(lines)-1] {
				if !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, "{") && !strings.HasPrefix(line, "scribe-agent: read 502 lines in ") {
					t.Errorf("a line of its own: %q", line)
				}
			}
			if joined := strings.Join(lines, "\n"); last != "" || !strings.Contains(joined, "delivered in pieces") ||
				strings.Contains(joined, "delivered 502, 0 wait") != (name == "text") {
				t.Errorf("in the end there is\n%s", joined)
			}
		})
	}
}

// TestNoStatusLine: nothing of it is written to what is no terminal.
func TestNoStatusLine(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := call(t, "one\n", "", "-local", "out", "-log", "a", "-ops", "off"); code != 0 || strings.Contains(stderr, "\x1b") || strings.Contains(stderr, "read 1") {
		t.Errorf("code %d: %s", code, stderr)
	}
}
