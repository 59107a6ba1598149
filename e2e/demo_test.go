package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demonstrated is scribectl demo, as a user starts it.
type demonstrated struct {
	*exec.Cmd
	temp string // where it makes its folder
	out  string // the file that gets what it prints
}

func newDemo(t *testing.T, scribectl string, args ...string) *demonstrated {
	t.Helper()
	d := &demonstrated{Cmd: exec.Command(scribectl, append([]string{"demo"}, args...)...), temp: t.TempDir()}
	d.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + d.temp, "GORACE=atexit_sleep_ms=0", "SCRIBE_PORT=1"} // settings of the user's own are no matter
	d.SysProcAttr = attributes()
	d.out = filepath.Join(t.TempDir(), "out")
	out, err := os.Create(d.out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	d.Stdout, d.Stderr = out, out
	return d
}

// printed returns what it has printed so far.
func (d *demonstrated) printed() string {
	text, _ := os.ReadFile(d.out) // made by newDemo
	return string(text)
}

// processes returns those that it says it has started.
func (d *demonstrated) processes() (pids []int) {
	for _, m := range regexp.MustCompile(`started +\S+ +\(process (\d+)\)`).FindAllStringSubmatch(d.printed(), -1) {
		pid, _ := strconv.Atoi(m[1])
		pids = append(pids, pid)
	}
	return pids
}

// leavesNone fails the test if one of its processes is left after a moment.
func (d *demonstrated) leavesNone(t *testing.T, atLeast int) {
	t.Helper()
	pids := d.processes()
	if len(pids) < atLeast {
		t.Errorf("only %d processes: %s", len(pids), d.printed())
	}
	for _, pid := range pids {
		if !eventually(5*time.Second, func() bool { return syscall.Kill(pid, 0) != nil }) {
			t.Errorf("process %d is left", pid)
		}
	}
}

// TestDemo: what it shows is true, it takes less than half a minute on a machine that does nothing else, and leaves no process.
func TestDemo(t *testing.T) {
	t.Parallel()
	d := newDemo(t, normal.bin(t, "scribectl"))
	begin := time.Now()
	if err := d.Run(); err != nil {
		t.Fatalf("%v\n%s", err, d.printed())
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	text := strings.Join(strings.Fields(d.printed()), " ")
	for _, want := range []string{
		"kill -9 scribe-1", "kill -9 mediator", "kill -9 agent", "all lines are written",
		"demo/access scribe-1 25,000 25,000 0 0 0", "demo/billing scribe-2 25,000 25,000 0 0 0",
		"all 100,000 100,000 0 0 0", "Each line that was written stands there once",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, d.printed())
		}
	}
	for line := range strings.Lines(d.printed()) {
		if n := len([]rune(line)); n > 80 && !strings.Contains(line, d.temp) || strings.Contains(line, "\x1b") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	d.leavesNone(t, 7)
}

// TestDemoIsBrokenOff: nothing is left of it after ^C, and no process after a kill.
func TestDemoIsBrokenOff(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		if sig == syscall.SIGKILL && runtime.GOOS != "linux" {
			continue
		}
		d := newDemo(t, normal.bin(t, "scribectl"), "-lines", "1000000")
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		within(t, 30*time.Second, "a program is killed", func() bool { return strings.Contains(d.printed(), "kill -9") })
		if err := d.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := d.Wait(); (err == nil) != (sig == syscall.SIGINT) {
			t.Errorf("%v: %v\n%s", sig, err, d.printed())
		}
		d.leavesNone(t, 4)
		if left, err := os.ReadDir(d.temp); sig == syscall.SIGINT && (err != nil || len(left) > 0) {
			t.Errorf("it leaves %v, %v", left, err)
		}
	}
}

// TestDemoFindsSabotage: one of the Scribes removes a line in the end.
func TestDemoFindsSabotage(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for _, name := range []string{"scribectl", "scribe-mediator", "scribe-agent"} {
		text, err := os.ReadFile(normal.bin(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, name), text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script := fmt.Sprintf(`#!/bin/sh
case "$*" in *scribe-2*) ;; *) exec %[1]s "$@" ;; esac
%[1]s "$@" & pid=$!
trap 'kill $pid' TERM
wait $pid
wait $pid
sed -i 5d ../scribe-2/demo/billing.log
`, normal.bin(t, "scribe"))
	if err := os.WriteFile(filepath.Join(bin, "scribe"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	d := newDemo(t, filepath.Join(bin, "scribectl"), "-lines", "10000", "-o", "json", "-dir", filepath.Join(t.TempDir(), "here"))
	err := d.Run()
	if d.ProcessState.ExitCode() != 1 || !strings.Contains(d.printed(), "scribectl: the Scribes' files are not what the application wrote: of 10,000 lines 1 lost, 0 repeated, 0 out of order, 0 altered") ||
		!strings.Contains(d.printed(), `"log":"demo/billing","owners":["scribe-2"],"written":2500,"found":2499,"lost":1,`) {
		t.Errorf("%v\n%s", err, d.printed())
	}
	d.leavesNone(t, 7)
}

// TestDemoWithoutPrograms: what is missing is said, and where it comes from.
func TestDemoWithoutPrograms(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(normal.bin(t, "scribectl"))
	if err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "scribectl")
	if err := os.WriteFile(alone, text, 0o700); err != nil {
		t.Fatal(err)
	}
	d := newDemo(t, alone)
	d.Env = []string{"PATH=/none"}
	_ = d.Run()
	if want := "found no scribe, scribe-mediator, scribe-agent beside " + alone + " or in PATH"; d.ProcessState.ExitCode() != 1 || !strings.Contains(d.printed(), want) {
		t.Errorf("code %d: %s", d.ProcessState.ExitCode(), d.printed())
	}
}
