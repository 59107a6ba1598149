package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFullDisk fills the disk under the agent's spool, and the one under a Scribe's root, while lines flow. Nobody may
// exit, nobody may flood its own log, and once there is room again everything must arrive. The long form keeps the disk
// full for a minute.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full := 4 * time.Second
	if *long {
		full = time.Minute
	}
	for name, folder := range map[string]string{
		"Spool": "agent1/spool",
		"Root":  "scribe1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, &normal)
			small := c.path(filepath.FromSlash(folder))
			mountSmall(t, small, "24m")
			mediator := c.addMediator()
			c.addScribe(mediator, "-size", "200kB")
			files, wants := c.manyLogsIn(mediator, c.path("agent1", "spool", "spool.db"), 8)
			within(t, 20*time.Second, "the first lines", func() bool { return c.arrived(wants) })

			before := map[*proc]int{}
			for _, p := range c.procs() {
				before[p] = len(p.stderr())
			}
			release := fill(t, filepath.Join(small, "filler"))
			for began := time.Now(); time.Since(began) < full; time.Sleep(100 * time.Millisecond) {
				c.addTo(files, 20)
				for _, p := range c.procs() {
					if !p.running() {
						t.Fatalf("%s has exited\n%s", p.name, p.tail())
					}
				}
			}
			for p, before := range before {
				said := strings.Count(p.stderr()[before:], "\n")
				if most := 3 + int(full/(10*time.Second)); said > most {
					t.Errorf("%s has written %d lines to its own log, want no more than %d\n%s", p.name, said, most, p.tail())
				}
			}
			release()
			c.check(wants, patience)
		})
	}
}

// TestStartOnAFullDisk starts agents whose spool's disk is full: with a spool that was killed there, and with none. Both
// must stay up, say so, and deliver all once there is room; and a clean stop must end the wait.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	for name, exists := range map[string]bool{"spool": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, &normal)
			small := c.path("small")
			mountSmall(t, small, "8m")
			scribe, _ := c.addScribe("")
			spool, tags := filepath.Join(small, "spool.db"), []string{"after"}
			if exists {
				c.backlog("before", spool, 10_000)
				tags = []string{"before", "after"}
			}
			release := fill(t, filepath.Join(small, "filler"))
			start := func(name string) *proc {
				return c.reads(name, scribe, spool, c.tagged("after", 10_000))
			}
			if !exists {
				stopped := start("stopped")
				within(t, 20*time.Second, "it is said", func() bool { return stopped.saw("when the disk has room") })
				stopped.terminate(2 * time.Second)
				if code := stopped.exitCode(); code != 0 {
					t.Errorf("a clean stop: exit code %d\n%s", code, stopped.tail())
				}
			}
			p := start("agent")
			time.Sleep(4 * time.Second)  // of waiting
			if !p.running() && !exists { // what leaves a spool makes room in it
				t.Fatalf("it has exited\n%s", p.tail())
			}
			if n := strings.Count(p.stderr(), "level=ERROR"); n > 1 || n == 0 && !exists {
				t.Errorf("it has written %d errors to its own log\n%s", n, p.tail())
			}
			release()
			c.end(p)
			c.check([]expectation{c.taggedExpectation("web/access", tags...)}, patience)
		})
	}
}

// mountSmall puts a file system of that size, in memory, at the folder.
func mountSmall(t *testing.T, folder, size string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size="+size)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("a file system can't be mounted: this needs root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill writes to a file until its disk is full. The function returned removes the file.
func fill(t *testing.T, path string) (release func()) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, piece := range []int{1 << 20, 4 << 10, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, piece))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
