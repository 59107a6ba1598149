package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pseudoTerminal returns both ends of a terminal of 80 columns and 24 rows.
func pseudoTerminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(keyboard.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err == nil {
		screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// TestTopOnTerminal: it draws in place, ends with q and with ^C, and leaves the terminal as it was.
func TestTopOnTerminal(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator()
	c.addScribe(mediator)
	for name, key := range map[string]string{"q": "q", "interrupt": "\x03"} {
		t.Run(name, func(t *testing.T) {
			keyboard, screen := pseudoTerminal(t)
			before, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(c.build.bin(t, "scribectl"), "-mediator", mediator, "top", "-every", "100ms")
			cmd.Env = []string{"HOME=" + c.dir, "TERM=xterm"}
			cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			var mu sync.Mutex
			var seen strings.Builder
			text := func() string { mu.Lock(); defer mu.Unlock(); return seen.String() }
			read := make(chan struct{})
			go func() {
				defer close(read)
				buf := make([]byte, 4096)
				for {
					n, err := keyboard.Read(buf)
					mu.Lock()
					seen.Write(buf[:n])
					mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
			ok := eventually(20*time.Second, func() bool { return strings.Count(text(), "\x1b[H") > 2 })
			if _, err := io.WriteString(keyboard, key); err != nil {
				t.Error(err)
			}
			select {
			case err := <-ended:
				if err != nil || !ok {
					t.Errorf("%v: %q", err, text())
				}
			case <-time.After(10 * time.Second):
				_ = cmd.Process.Kill()
				<-ended
				t.Errorf("it goes on: %q", text())
			}
			after, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("%v: the terminal is left as %+v, it was %+v", err, after, before)
			}
			screen.Close() // whereupon the other end can't be read any more
			select {
			case <-read:
			case <-time.After(10 * time.Second):
				t.Error("the terminal is still in use")
			}
			shown := text()
			if !strings.HasPrefix(shown, "\x1b[?1049h") || !strings.HasSuffix(strings.TrimSuffix(shown, "^C"), "\x1b[?1049l") {
				t.Errorf("it shows %q", shown)
			}
			for _, want := range []string{"q quits", "\x1b[1mMEDIATOR", "\x1b[1mSCRIBE", "scribe1"} {
				if !strings.Contains(shown, want) {
					t.Errorf("%q is missing in %q", want, shown)
				}
			}
		})
	}
	c.stopAll(stopLimit)
}
