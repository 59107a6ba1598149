package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crowd is an agent that tails very many files, of which few get lines.
type crowd struct {
	*cluster
	agent  *proc
	active []*os.File
	output string // the Scribe's file of all lines
	read   int64  // of it
	rest   []byte // of a line that is not read to its end
	open   int    // descriptors that the agent had at most while it started
}

// newCrowd makes the files, a thousand to a folder and with a line each. The agent is not started yet.
func newCrowd(t *testing.T, files, active int) *crowd {
	t.Helper()
	c := &crowd{cluster: newCluster(t, &normal)}
	addr, root := c.addScribe("", "-size", "-1B")
	for i := range files {
		dir := c.path("in", fmt.Sprintf("folder%03d", i/1000))
		c.must(os.MkdirAll(dir, 0o750))
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("application-%06d.log", i)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		c.must(err)
		_, err = f.WriteString("what was there before\n")
		c.must(err)
		if i%(files/active) == 0 {
			c.active = append(c.active, f)
			t.Cleanup(func() { f.Close() })
		} else {
			c.must(f.Close())
		}
	}
	c.agent = c.newAgent(addr, []tailed{{paths: []string{c.path("in", "**", "*.log")}, log: "all", start: "end"}})
	c.output = filepath.Join(root, "all.log")
	return c
}

func (c *crowd) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// write adds a line with the time to each active file.
func (c *crowd) write() {
	c.t.Helper()
	for i, f := range c.active {
		_, err := fmt.Fprintf(f, "%d %d\n", i, time.Now().UnixNano())
		c.must(err)
	}
}

// arrivals returns what has arrived since the last call: for each line its file, and for how long it was on its way.
func (c *crowd) arrivals() (files []int, lags []time.Duration) {
	c.t.Helper()
	f, err := os.Open(c.output)
	if os.IsNotExist(err) {
		return nil, nil
	}
	c.must(err)
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, c.read, 1<<40))
	c.must(err)
	now := time.Now()
	c.read += int64(len(text))
	text = append(c.rest, text...)
	for line := range bytes.Lines(text) {
		if line[len(line)-1] != '\n' {
			c.rest = bytes.Clone(line)
			return files, lags
		}
		var file int
		var at int64
		if _, err := fmt.Sscan(string(line), &file, &at); err != nil {
			c.t.Fatalf("what arrived is %q", line)
		}
		files, lags = append(files, file), append(lags, now.Sub(time.Unix(0, at)))
	}
	c.rest = nil
	return files, lags
}

// start starts the agent, and returns the time until a line of each active file has arrived.
func (c *crowd) start() time.Duration {
	c.t.Helper()
	c.arrivals() // what is left of before tells nothing
	began := time.Now()
	c.agent.start()
	var wrote time.Time
	missing := map[int]bool{}
	for i := range c.active {
		missing[i] = true
	}
	within(c.t, 2*time.Minute, "lines of all active files arrive", func() bool {
		if time.Since(wrote) > 200*time.Millisecond {
			c.write()
			wrote = time.Now()
		}
		c.open = max(c.open, c.descriptors())
		files, _ := c.arrivals()
		for _, file := range files {
			delete(missing, file)
		}
		return len(missing) == 0
	})
	return time.Since(began)
}

// lag writes for a while, and returns how long lines were on their way, but for one in a hundred.
func (c *crowd) lag(duration time.Duration) time.Duration {
	c.t.Helper()
	var all []time.Duration
	rounds := int(duration / (100 * time.Millisecond))
	for range rounds {
		next := time.Now().Add(100 * time.Millisecond)
		c.write()
		for time.Now().Before(next) {
			time.Sleep(5 * time.Millisecond)
			_, lags := c.arrivals()
			all = append(all, lags...)
		}
	}
	slices.Sort(all)
	if len(all) < len(c.active)*rounds/2 {
		c.t.Fatalf("%d of %d lines have arrived", len(all), len(c.active)*rounds)
	}
	return all[len(all)*99/100]
}

// cost is what the agent uses.
type cost struct {
	cpu         float64 // percent of a core
	rss         int64   // bytes
	descriptors int
}

func (u cost) String() string {
	return fmt.Sprintf("%.2f %% of a core, %d MiB, %d descriptors", u.cpu, u.rss>>20, u.descriptors)
}

func (c *crowd) cost(window time.Duration) cost {
	c.t.Helper()
	before, began := c.ticks(), time.Now()
	time.Sleep(window)
	u := cost{cpu: float64(c.ticks()-before) / time.Since(began).Seconds()} // a tick is a hundredth of a second
	u.rss, u.descriptors = c.memory("VmRSS:"), c.descriptors()
	return u
}

// memory returns one of the sizes of the agent's memory, in bytes.
func (c *crowd) memory(field string) int64 {
	c.t.Helper()
	for line := range strings.Lines(c.procFile("status")) {
		if kb, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseInt(strings.Fields(kb)[0], 10, 64)
			c.must(err)
			return n << 10
		}
	}
	c.t.Fatalf("no %s in the status of the agent", field)
	return 0
}

func (c *crowd) descriptors() int {
	c.t.Helper()
	fds, err := os.ReadDir(c.procPath("fd"))
	c.must(err)
	return len(fds)
}

// ticks returns the processor time that the agent has used.
func (c *crowd) ticks() int64 {
	c.t.Helper()
	_, stat, _ := strings.Cut(c.procFile("stat"), ") ")
	fields := strings.Fields(stat)
	user, err := strconv.ParseInt(fields[11], 10, 64)
	c.must(err)
	system, err := strconv.ParseInt(fields[12], 10, 64)
	c.must(err)
	return user + system
}

func (c *crowd) procPath(name string) string {
	return fmt.Sprintf("/proc/%d/%s", c.agent.cmd.Process.Pid, name)
}

func (c *crowd) procFile(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(c.procPath(name))
	c.must(err)
	return string(text)
}

// TestCrowd measures what very many files cost that are matched while few get lines. The limits are those of the long
// form, which has a hundred thousand of them; the short form takes a few seconds.
func TestCrowd(t *testing.T) {
	type limits struct {
		start, lag time.Duration
		idle       cost
	}
	tests := []struct {
		files, active int
		settle        time.Duration // until looks at idle files have become rare
		limits        limits
	}{{5000, 100, 2 * time.Second, limits{10 * time.Second, time.Second, cost{5, 60 << 20, 1000}}}}
	if *long {
		tests[0].files, tests[0].settle, tests[0].limits.idle = 10_000, time.Minute, cost{1, 60 << 20, 1000}
		tests = append(tests, tests[0])
		tests[1].files, tests[1].limits.idle = 100_000, cost{2, 150 << 20, 1000}
	}
	for _, tc := range tests {
		t.Run(strconv.Itoa(tc.files), func(t *testing.T) {
			c := newCrowd(t, tc.files, tc.active)
			first := c.start()
			lag := c.lag(tc.settle)
			time.Sleep(tc.settle)
			idle, peak := c.cost(tc.settle), c.memory("VmHWM:")
			c.agent.terminate(stopLimit)
			again := c.start()
			peak = max(peak, c.memory("VmHWM:"))
			t.Logf("%d files: first start %v, next %v, with at most %d descriptors; lag of 99 %% up to %v; at most %d MiB; idle %v", tc.files,
				first.Round(time.Millisecond), again.Round(time.Millisecond), c.open, lag.Round(time.Millisecond), peak>>20, idle)
			if first > tc.limits.start || again > tc.limits.start || lag > tc.limits.lag || idle.cpu > tc.limits.idle.cpu ||
				peak > tc.limits.idle.rss || max(idle.descriptors, c.open) > tc.limits.idle.descriptors {
				t.Errorf("that is more than %+v", tc.limits)
			}
		})
	}
}
