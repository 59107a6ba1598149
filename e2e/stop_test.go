package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// busy is a cluster of three programs and a writer that is never done.
type busy struct {
	*cluster
	writer *writer
	want   []expectation
	end    context.CancelFunc
	group  sync.WaitGroup
}

func newBusy(t testing.TB) *busy {
	t.Helper()
	c := newCluster(t, &normal)
	mediator := c.addMediator()
	c.addScribe(mediator, "-size", "200kB")
	w := newWriter(t, c.path("in", "app.log"), newSeed())
	w.rotation = dated
	c.addAgent(mediator, []tailed{{paths: []string{w.path}, log: "busy/app"}})
	ctx, cancel := context.WithCancel(context.Background())
	b := &busy{
		cluster: c, writer: w, end: cancel,
		want: []expectation{{log: "busy/app", sources: []source{{bytes: w.bytes}}}},
	}
	w.begin()
	within(t, 20*time.Second, "the first lines arrive", func() bool { return c.arrived(b.want) }) // a path must be seen before it is rotated
	b.group.Go(func() { w.run(ctx) })
	t.Cleanup(b.endWriter)
	within(t, 20*time.Second, "lines flow", func() bool { return outputSize(t, c.roots, "busy/app") > 100_000 })
	return b
}

func (b *busy) endWriter() {
	b.end()
	b.group.Wait()
}

// writesOn waits until the writer has written that many bytes more.
func (b *busy) writesOn(n int) {
	b.t.Helper()
	before := len(b.writer.bytes())
	within(b.t, 20*time.Second, "the writer writes on", func() bool { return len(b.writer.bytes()) >= before+n })
}

// TestStopped suspends a program, as a debugger, an overloaded host or a frozen virtual machine does, with its
// connections open. The short form is longer than a health check, the long one than every timeout there is.
func TestStopped(t *testing.T) {
	t.Parallel()
	stop := 7 * time.Second
	if *long {
		stop = 50 * time.Second
	}
	for _, name := range []string{"agent1", "mediator", "scribe1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBusy(t)
			b.writer.pause = 50 * time.Millisecond
			p := b.procNamed(name)
			p.stop()
			time.Sleep(stop)
			p.cont()
			b.writesOn(10_000)
			b.endWriter()
			b.check(b.want, patience)
		})
	}
}

// TestCleanStop: SIGTERM ends each program soon and cleanly, though its peer is dead and there is a backlog.
func TestCleanStop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ program, peer string }{
		{"agent1", "mediator"},
		{"mediator", "agent1"},
		{"mediator", "scribe1"},
		{"scribe1", "mediator"},
	} {
		t.Run(fmt.Sprintf("%sWithout%s", c.program, c.peer), func(t *testing.T) {
			t.Parallel()
			b := newBusy(t)
			p, peer := b.procNamed(c.program), b.procNamed(c.peer)
			peer.stop()
			b.writesOn(200_000) // so that streams are in progress, and stuck
			p.terminate(stopLimit)
			peer.cont()
			p.start()
			b.endWriter()
			b.check(b.want, patience)
		})
	}
}

// TestCleanStopOfPipe: the agent stops though its input goes on.
func TestCleanStopOfPipe(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"Local":        {"-local", "root"},
		"MediatorDown": {"-mediator", freeAddr(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, &normal)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			agent := c.other("scribe-agent", "agent", append(args, "-log", "app")...)
			agent.stdin = r
			agent.start()
			within(t, 20*time.Second, "agent starts", func() bool { return agent.saw("agent started") })
			if _, err := w.WriteString("one\ntwo\nthr"); err != nil {
				t.Fatal(err)
			}
			agent.terminate(stopLimit)
			if name == "Local" {
				if got := string(output(t, []string{c.path("agent", "root")}, "app")); got != "one\ntwo\nthr\n" {
					t.Errorf("got %q", got)
				}
			}
		})
	}
}

// TestStopAtOnce sends SIGTERM as soon as signals are taken, which is before main begins: that is a clean stop already.
func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	for program, args := range map[string][]string{
		"scribe-agent":    {"-mediator", freeAddr(t), "-log", "a", "-spool", c.path("spool.db")},
		"scribe":          {"-host", "127.0.0.1", "-port", "0", "-path", c.path("root")},
		"scribe-mediator": {"-host", "127.0.0.1", "-port", "0", "-data", c.path("data")},
	} {
		t.Run(program, func(t *testing.T) {
			p := c.proc(program, program)
			in, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			defer in.Close()
			cmd := exec.Command(p.bin, args...)
			cmd.Dir, cmd.Stdin, cmd.SysProcAttr = p.dir, in, attributes()
			cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", "HOME="+p.dir) // says when which package was initialized
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			overdue := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
			defer overdue.Stop()
			var said []string
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				if said = append(said, lines.Text()); strings.Contains(lines.Text(), "/internal/signals @") {
					if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
						t.Error(err)
					}
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, strings.Join(said, "\n"))
			}
			initialized := func(name string) int {
				return slices.IndexFunc(said, func(line string) bool { return strings.Contains(line, name+" @") })
			}
			taken := initialized("/internal/signals")
			for _, slow := range []string{"google.golang.org/protobuf/reflect/protodesc", "google.golang.org/grpc"} {
				if at := initialized(slow); taken < 0 || at < taken {
					t.Errorf("signals are taken with the package %d, after %s, which is %d", taken, slow, at)
				}
			}
		})
	}
}

// TestCleanStopWithBacklog: SIGTERM ends an agent soon, though its spool holds very much and its mediator accepts connections and says
// nothing. The long form has a gigabyte. Nothing of it is lost.
func TestCleanStopWithBacklog(t *testing.T) {
	t.Parallel()
	lines := 50_000
	if *long {
		lines = 1_100_000
	}
	c := newCluster(t, &normal)
	silent, err := listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	file := c.path("app.log")
	var text bytes.Buffer
	for n := range lines {
		fmt.Fprintf(&text, "%d %s\n", n, strings.Repeat("x", 990))
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := c.newAgent(silent.Addr().String(), []tailed{{paths: []string{file}, log: "big/app"}})
	address := freeAddr(t)
	agent.args = append(agent.args, "-max-size", "3GB", "-compression", "none", "-ops", address)
	agent.start()
	within(t, 5*time.Minute, "the backlog", func() bool {
		code, body := fetch(t, address, "/metrics")
		return code == 200 && strings.Contains(body, fmt.Sprintf("\nlogscribe_agent_backlog_lines %s\n", strconv.FormatFloat(float64(lines), 'g', -1, 64)))
	})
	agent.terminate(stopLimit)
	if want := fmt.Sprintf("lines=%d", lines); !agent.saw(want) {
		t.Errorf("it does not say %s\n%s", want, agent.tail())
	}
	scribe, _ := c.addScribe("", "-size", "-1B")
	agent.args = append(agent.args, "-mediator", scribe)
	agent.start()
	c.await([]expectation{fileExpectation(t, "big/app", file)}, 2*time.Minute)
	agent.terminate(stopLimit)
}
