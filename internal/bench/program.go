package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program is a process that is started once. Its methods are called by one goroutine.
type program struct {
	name  string // of its part in the chain: agent, mediator, …
	bin   string
	args  []string
	dir   string       // its working directory, and where its output goes
	ready func() error // waits until it may be used; nil if it may at once
	// profiles is the folder that its CPU profile goes to; "" for none.
	profiles string

	profile *profile // nil for none
	cmd     *exec.Cmd
	done    chan struct{} // closed when it has ended
	asked   bool          // to end
	peak    int64         // of its memory, in bytes, as far as known
}

// usage is what a program cost.
type usage struct {
	Program string  `json:"program"`
	CPU     float64 `json:"cpu_seconds"`
	Peak    int64   `json:"peak_memory_bytes"`
}

// startLimit and stopLimit are how long a program may take to start and to stop.
const (
	startLimit = 20 * time.Second
	stopLimit  = 30 * time.Second
)

// start starts the program and waits until it is ready.
func (p *program) start() error {
	out, err := os.Create(p.outputFile())
	if err != nil {
		return err
	}
	defer out.Close()
	args := p.args
	if p.profiles != "" {
		if p.profile, err = newProfile(p, p.profiles); err != nil {
			return err
		}
		args = slices.Concat(args, p.profile.flags())
	}
	p.cmd = exec.Command(p.bin, args...)
	p.cmd.Dir = p.dir
	p.cmd.Env = append(os.Environ(), "HOME="+p.dir)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = attributes()
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.done = make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // its state tells
		close(p.done)
	}()
	if p.ready != nil {
		err = p.ready()
	}
	if err == nil && p.profile != nil {
		err = errors.Join(p.awaitPort(p.profile.addr()), p.profile.begin())
	}
	if err != nil {
		return fmt.Errorf("%s is not ready: %w%s", p.name, err, p.lastWords())
	}
	return nil
}

// running says whether the program has been started and has not ended.
func (p *program) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// terminate asks the program to end.
func (p *program) terminate() {
	if p.running() {
		p.notePeak()
		if p.profile != nil {
			p.profile.err = p.profile.end()
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by now
		p.asked = true
	}
}

// end waits for a program to end that was asked to. One that does not is killed.
func (p *program) end() error {
	switch {
	case p.cmd == nil:
		return nil
	case !p.asked:
		return fmt.Errorf("%s ended by itself: %v%s", p.name, p.cmd.ProcessState, p.lastWords())
	}
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		p.kill()
		return fmt.Errorf("%s did not stop within %v%s", p.name, stopLimit, p.lastWords())
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s did not stop cleanly: %v%s", p.name, p.cmd.ProcessState, p.lastWords())
	}
	if p.profile != nil && p.profile.err != nil {
		return fmt.Errorf("profile of %s: %w", p.name, p.profile.err)
	}
	return nil
}

// kill ends the program at once, if it runs.
func (p *program) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill() // it may have ended by now
		<-p.done
	}
}

// usage returns what the program cost. It must have ended.
func (p *program) usage() usage {
	state := p.cmd.ProcessState
	peak := p.peak
	if rusage, ok := state.SysUsage().(*syscall.Rusage); ok && peak == 0 {
		peak = rusage.Maxrss * maxrssUnit
	}
	return usage{Program: p.name, CPU: (state.UserTime() + state.SystemTime()).Seconds(), Peak: peak}
}

// notePeak reads the most memory that the program has had so far. The kernel's other figure, that of wait4, begins with
// the memory of the process that started it, here of this program.
func (p *program) notePeak() {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return // another system, or it has ended
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // the kernel's form
			p.peak = max(p.peak, kib<<10)
		}
	}
}

// cpuTime returns the CPU time of the running program's threads, to the nanosecond; 0 where the system does not tell.
// Threads that have ended are left out.
func (p *program) cpuTime() time.Duration {
	var sum time.Duration
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid)) // the pattern is valid
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		first, _, _ := bytes.Cut(text, []byte{' '})
		ns, _ := strconv.ParseInt(string(first), 10, 64) // the kernel's form
		sum += time.Duration(ns)
	}
	return sum
}

func (p *program) outputFile() string { return filepath.Join(p.dir, p.name+".out") }

// said says whether the program has written these words.
func (p *program) said(words string) bool {
	text, err := os.ReadFile(p.outputFile())
	return err == nil && bytes.Contains(text, []byte(words))
}

// lastWords returns the end of the program's output for an error.
func (p *program) lastWords() string {
	text, err := os.ReadFile(p.outputFile())
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\n" + string(text[max(0, len(text)-2000):])
}

// awaitPort waits until the program accepts connections.
func (p *program) awaitPort(addr string) error {
	return p.await("listens on "+addr, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// await waits until the condition holds, while the program runs.
func (p *program) await(what string, holds func() bool) error {
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if holds() {
			return nil
		}
		if !p.running() {
			return errors.New("it has ended")
		}
	}
	return fmt.Errorf("it does not do this within %v: it %s", startLimit, what)
}

// freePort returns a port of loopback that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
