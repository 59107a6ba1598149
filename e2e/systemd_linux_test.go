package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serviceManager gets what a program tells the one that has started it.
type serviceManager struct {
	name string
	conn *net.UnixConn

	mu   sync.Mutex
	text string
}

func newServiceManager(t *testing.T, name string) *serviceManager {
	t.Helper()
	s := &serviceManager{name: fmt.Sprintf("@logscribe-%d-%s-%s", os.Getpid(), t.Name(), name)}
	var err error
	if s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.name, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { s.conn.Close(); <-ended })
	go func() {
		defer close(ended)
		for buf := make([]byte, 1<<16); ; {
			n, err := s.conn.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.text += string(buf[:n])
			s.mu.Unlock()
		}
	}()
	return s
}

// env is the environment of a program of which it wants to hear every six seconds.
func (s *serviceManager) env() []string {
	return []string{"NOTIFY_SOCKET=" + s.name, "WATCHDOG_USEC=6000000"}
}

func (s *serviceManager) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

func (s *serviceManager) await(t *testing.T, text string) {
	t.Helper()
	if !eventually(20*time.Second, func() bool { return strings.Contains(s.heard(), text) }) {
		t.Fatalf("not heard: %q\n%s", text, s.heard())
	}
}

// TestServiceManager hears what the programs tell the service manager. A mediator without Scribes is not ready; an agent without
// a mediator is, and so boots don't hang.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	of := map[string]*serviceManager{}
	for _, name := range []string{"mediator", "scribe", "agent"} {
		of[name] = newServiceManager(t, name)
	}
	c.env = of["mediator"].env()
	mediator := c.addMediator("-health-interval", "200ms")
	of["mediator"].await(t, "STATUS=not ready: no Scribe has registered; Scribes: 0 up, 0 down; 0 logs have an owner\n")

	c.env = of["agent"].env()
	file := c.path("app.log")
	if err := os.WriteFile(file, []byte(strings.Repeat("line\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	away := freeAddr(t)
	agent := c.addAgent(away, []tailed{{paths: []string{file}, log: "web/app"}})
	of["agent"].await(t, "READY=1\n")
	of["agent"].await(t, "STATUS=1000 lines wait, the oldest for ")
	of["agent"].await(t, ", no mediator or Scribe is reached\n")
	if text := of["mediator"].heard(); strings.Contains(text, "READY=1") {
		t.Errorf("a mediator without Scribes is ready:\n%s", text)
	}

	c.env = of["scribe"].env()
	c.addScribe(mediator)
	of["scribe"].await(t, "READY=1\n")
	of["mediator"].await(t, "READY=1\n")
	config := c.path("agent1", "agent.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, bytes.Replace(text, []byte(away), []byte(mediator), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	before := len(of["agent"].heard())
	agent.signal(syscall.SIGHUP)
	within(t, 20*time.Second, "the reload", func() bool {
		return regexp.MustCompile(`(?s)RELOADING=1\nMONOTONIC_USEC=\d+\n.*READY=1\n`).MatchString(of["agent"].heard()[before:])
	})
	of["agent"].await(t, "STATUS=no lines wait\n")
	of["scribe"].await(t, "STATUS=1 logs used, 1000 lines committed\n")
	c.stopAll(stopLimit)
	for name, s := range of {
		s.await(t, "STOPPING=1\n")
		text := s.heard()
		if n := strings.Count(text, "WATCHDOG=1\n"); n < 2 {
			t.Errorf("%s has fed its watchdog %d times", name, n)
		}
		if want := 1 + strings.Count(text, "RELOADING=1\n"); strings.Count(text, "READY=1\n") != want {
			t.Errorf("%s is ready other than %d times:\n%s", name, want, text)
		}
	}
}

// TestStreamOfAnotherUnit starts the agent as scribe-agent@.service does, on a FIFO that somebody else holds open, as systemd
// does. Writers come and go, and the agent is restarted while a writer has it open.
func TestStreamOfAnotherUnit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	address, _ := c.addScribe("")
	fifo := c.path("web-access")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(filepath.Join("..", "packaging", "systemd", "scribe-agent@.service"))
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/scribe-agent (.*)$`).FindStringSubmatch(string(unit))
	if start == nil {
		t.Fatal("the unit starts nothing")
	}
	args := strings.Fields(strings.NewReplacer("/etc/scribe/stdin.toml", c.path("stdin.toml"), "%I", "web/access").Replace(start[1]))
	settings, err := os.ReadFile(filepath.Join("..", "packaging", "examples", "stdin.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.path("stdin.toml"), bytes.Replace(settings, []byte("127.0.0.1:8000"), []byte(address), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	holder := open()
	defer holder.Close()
	agent := c.other("scribe-agent", "agent", args...)
	agent.env = append(slices.Clone(agent.env), "STATE_DIRECTORY="+c.path("agent"))
	startAgent := func() { agent.stdin = open(); agent.start() }
	startAgent()
	var all bytes.Buffer
	line := 0
	write := func(w *os.File) {
		for range 500 {
			line++
			text := fmt.Sprintf("line %d\n", line)
			all.WriteString(text)
			if _, err := w.WriteString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func() []expectation {
		text := bytes.Clone(all.Bytes())
		return []expectation{{log: "web/access", sources: []source{{bytes: func() []byte { return text }}}}}
	}
	for range 2 { // a writer that is started again
		w := open()
		write(w)
		w.Close()
	}
	c.await(want(), 20*time.Second)
	w := open()
	defer w.Close()
	write(w)
	c.await(want(), 20*time.Second)
	agent.terminate(stopLimit)
	write(w) // which stays in the FIFO
	startAgent()
	c.await(want(), 20*time.Second)
	agent.kill()
	write(w)
	startAgent()
	write(w)
	c.await(want(), 20*time.Second)
	agent.terminate(stopLimit)
}
