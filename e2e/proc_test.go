package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// proc is a program that may be started many times, one process after the other. All methods are safe for concurrent
// use.
type proc struct {
	t       testing.TB
	name    string
	bin     string
	args    []string
	env     []string
	dir     string
	logFile string   // gets the stderr of all its processes
	outFile string   // gets their stdout
	stdin   *os.File // nil for none; closed here once a process has it
	panics  bool     // a panic is part of the test

	starting sync.Mutex // held while it is started, and by those who need it to be down

	mu      sync.Mutex // guards what follows
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process is no more
	stopped bool          // by a signal
	cpu     time.Duration // of the processes that ended
	starts  int
	silent  int // size of the stderr when the present process was started
}

// start starts a process. The one before must have ended.
func (p *proc) start() {
	p.t.Helper()
	p.starting.Lock()
	defer p.starting.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.bin, p.args...)
	cmd.Dir = p.dir
	cmd.Env = append([]string{
		"HOME=" + p.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + p.dir,
		"GORACE=atexit_sleep_ms=0",                                          // with -chaos.race; programs are timed here
		"SCRIBE_OPS=off", "SCRIBE_AGENT_OPS=off", "SCRIBE_MEDIATOR_OPS=off", // there are many of each; a flag beats these
	}, p.env...)
	cmd.SysProcAttr = attributes()
	stderr, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer stderr.Close()
	stdout, err := os.OpenFile(p.outFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer stdout.Close()
	cmd.Stderr, cmd.Stdout = stderr, stdout
	if p.stdin != nil {
		cmd.Stdin = p.stdin
		defer func(f *os.File) { f.Close() }(p.stdin)
		p.stdin = nil
	}
	silent := len(p.stderr())
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.stopped = cmd, ended, false
	p.silent = silent
	p.starts++
	go func() {
		_ = cmd.Wait() // the state tells
		p.mu.Lock()
		p.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		p.mu.Unlock()
		close(ended)
	}()
}

// end returns the channel that is closed when the present process is no more.
func (p *proc) end() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// running says whether a process is there, be it stopped.
func (p *proc) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// whileDown calls f if there is no process, and sees to it that none is started meanwhile.
func (p *proc) whileDown(f func()) bool {
	p.starting.Lock()
	defer p.starting.Unlock()
	if p.running() {
		return false
	}
	f()
	return true
}

func (p *proc) signal(sig os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(sig) // it may have ended
	}
}

// kill kills the process, if there is one, and returns when it is no more.
func (p *proc) kill() {
	p.signal(syscall.SIGKILL)
	if ended := p.end(); ended != nil {
		<-ended
	}
}

// stop suspends the process until cont.
func (p *proc) stop() { p.signal(syscall.SIGSTOP) }

func (p *proc) cont() { p.signal(syscall.SIGCONT) }

// wait waits for the process to end by itself and returns its exit code.
func (p *proc) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.end():
	case <-time.After(limit):
		p.t.Fatalf("%s has not ended within %v\n%s", p.name, limit, p.tail())
	}
	return p.exitCode()
}

// exitCode returns the code of the process that ended last, -1 for one that was killed.
func (p *proc) exitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.ProcessState.ExitCode()
}

// terminate asks the process to stop, and fails the test unless it does so cleanly and in time.
func (p *proc) terminate(limit time.Duration) {
	p.t.Helper()
	p.awaitFirstWord()
	began := time.Now()
	p.signal(syscall.SIGTERM)
	if code := p.wait(10 * limit); code != 0 {
		p.t.Errorf("%s exited with %d after SIGTERM\n%s", p.name, code, p.tail())
	}
	if took := time.Since(began); took > limit {
		p.t.Errorf("%s took %v to stop, more than %v\n%s", p.name, took, limit, p.tail())
	}
}

// awaitFirstWord waits until the present process has said something, as each does once it has started. Before that it may
// not have got round to signals, and SIGTERM kills it as it would any program.
func (p *proc) awaitFirstWord() {
	p.t.Helper()
	p.mu.Lock()
	silent := p.silent
	p.mu.Unlock()
	eventually(10*time.Second, func() bool { return len(p.stderr()) > silent || !p.running() })
}

// stderr returns what all processes have written there.
func (p *proc) stderr() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil && !os.IsNotExist(err) {
		p.t.Error(err)
	}
	return string(text)
}

// stdout is the same of the other.
func (p *proc) stdout() string {
	text, err := os.ReadFile(p.outFile)
	if err != nil && !os.IsNotExist(err) {
		p.t.Error(err)
	}
	return string(text)
}

// saw says whether a message has been written to stderr.
func (p *proc) saw(message string) bool { return strings.Contains(p.stderr(), message) }

// tail returns the end of stderr for a report.
func (p *proc) tail() string {
	text := p.stderr()
	lines := strings.SplitAfter(text, "\n")
	if len(lines) > 25 {
		lines = lines[len(lines)-25:]
	}
	return fmt.Sprintf("--- %s (%s), the end of its stderr:\n%s", p.name, p.logFile, strings.Join(lines, ""))
}

// crashed returns the panic or the fatal error of a process, if there was any.
func (p *proc) crashed() string {
	text := []byte(p.stderr())
	for _, sign := range []string{"panic: ", "fatal error: ", "\ngoroutine ", "DATA RACE", "unexpected fault"} {
		if i := bytes.Index(text, []byte(sign)); i >= 0 {
			return string(text[max(0, i-500):min(len(text), i+4000)])
		}
	}
	return ""
}

// cleanUp ends what is left of the program.
func (p *proc) cleanUp() {
	p.kill()
	if crash := p.crashed(); crash != "" && !p.panics {
		p.t.Errorf("%s crashed:\n%s", p.name, crash)
	}
}
