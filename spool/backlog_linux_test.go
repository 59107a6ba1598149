package spool_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

var long = flag.Bool("long", false, "run the long forms: a backlog of 10 GiB")

// backlogRole and backlogPath tell the process that a test starts what to do with which spool.
const (
	backlogRole = "SPOOL_TEST_BACKLOG_ROLE"
	backlogPath = "SPOOL_TEST_BACKLOG_PATH"
)

// The limits of a spool with a backlog of 10 GiB.
const (
	readyWithin = 3 * time.Second
	mostMemory  = 100 * mib
)

// TestLargeBacklog opens a spool with a large backlog, which another process has filled before it was stopped or killed,
// and drains it. The spool must be ready soon, also if none of its file is in the system's cache, and the process must stay
// small.
func TestLargeBacklog(t *testing.T) {
	t.Parallel()
	if role := os.Getenv(backlogRole); role != "" {
		backlog(t, role, os.Getenv(backlogPath))
		return
	}
	for _, fill := range []string{"fill", "fill and die"} { // the first to open it finds a list of free pages, or none
		t.Run(fill, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "spool.db")
			runBacklog(t, fill, path)
			if got, want := onDisk(t, path), backlogSize(); got < want || got > want+want/7+32*mib {
				t.Errorf("the file has %d bytes for a backlog of %d", got, want)
			}
			makeCold(t, path)
			checkBacklog(t, "cold", runBacklog(t, "open", path))
			checkBacklog(t, "warm", runBacklog(t, "open", path))
			makeCold(t, path)
			checkBacklog(t, "cold, and drained", runBacklog(t, "drain", path))
		})
	}
}

// checkBacklog holds what such a process prints against the limits.
func checkBacklog(t *testing.T, what, figures string) {
	t.Helper()
	t.Logf("%s: %s", what, figures)
	var milliseconds, peak int64
	if _, err := fmt.Sscanf(figures, "ready after %dms, at most %d bytes", &milliseconds, &peak); err != nil {
		t.Fatal(err)
	}
	if ready := time.Duration(milliseconds) * time.Millisecond; ready > readyWithin || peak > mostMemory {
		t.Errorf("%s: ready after %v, %d MiB of memory", what, ready, peak/mib)
	}
}

// makeCold takes the file out of the system's cache, as after a reboot.
func makeCold(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
}

func backlogSize() int64 {
	if *long {
		return 10 << 30
	}
	return 256 * mib
}

// runBacklog runs this test in a process of its own and returns what that prints.
func runBacklog(t *testing.T, role, path string) string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestLargeBacklog$", fmt.Sprint("-long=", *long), "-test.timeout=30m")
	child.Env = append(os.Environ(), backlogRole+"="+role, backlogPath+"="+path)
	var output bytes.Buffer
	child.Stdout, child.Stderr = &output, &output
	err := child.Run()
	if died := child.ProcessState.Sys().(syscall.WaitStatus).Signaled(); err != nil && !(died && role == "fill and die") {
		t.Fatalf("%s: %v\n%s", role, err, output.String())
	}
	figures, _, _ := strings.Cut(output.String(), "\n")
	return figures
}

// backlog is what such a process does.
func backlog(t *testing.T, role, path string) {
	began := time.Now()
	s := open(t, path, spool.Options{})
	ready := time.Since(began)
	if role != "drain" && role != "open" {
		var batch spool.Batch
		for i := range 16 {
			batch.Drafts = append(batch.Drafts, incompressible(fmt.Sprint("log", i%4), 60_000))
		}
		for s.Stats().BlockBytes < backlogSize() {
			if err := s.Append(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		if role == "fill and die" {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return
	}
	peak := memory(t)
	var blocks []block.Block
	var buf []byte
	for role == "drain" && s.Lines() > 0 {
		for _, log := range s.TakeAppended() {
			for s.Queue(log).Lines() > 0 {
				var err error
				if blocks, buf, err = s.Read(blocks[:0], buf[:0], log, s.Queue(log).Oldest, 512<<10); err != nil {
					t.Fatal(err)
				}
				s.Settle(log, blocks[len(blocks)-1].Last())
				peak = max(peak, memory(t))
			}
		}
	}
	fmt.Printf("ready after %dms, at most %d bytes of memory, over after %v\n", ready.Milliseconds(), peak, time.Since(began))
}

// memory returns the resident memory of this process, in bytes.
func memory(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
