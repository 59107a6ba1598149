package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// manyFeeders returns feeders of one producer each that together have that many logs, in folders of a hundred.
func manyFeeders(logs int) []*feeder {
	const each = 1000
	var names []string
	for i := range logs {
		names = append(names, fmt.Sprintf("folder%04d/log%06d", i/100, i))
	}
	var all []*feeder
	for part := range slices.Chunk(names, each) {
		all = append(all, newFeeder(uint64(len(all)), part...))
	}
	return all
}

// oneLineEach sends a line to each log.
func oneLineEach(t *testing.T, feeders []*feeder, addr string) {
	t.Helper()
	for _, f := range feeders {
		if err := f.stream(context.Background(), addr, func(uint64) uint64 { return 1 }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyLogs has a Scribe serve very many logs with few open files, and start with a ledger of many more. The limits are
// those of the long form.
func TestManyLogs(t *testing.T) {
	const maxOpen = 200
	known, written := 3_000, 1_000
	if *long {
		known, written = 100_000, 10_000
	}
	c := newCluster(t, &normal)
	addr, root := c.addScribe("", "-durability", "process-crash") // else it takes the disk very long to make all files
	oneLineEach(t, manyFeeders(known)[written/1000:], addr)
	c.scribes[0].terminate(time.Minute)

	host, port, _ := net.SplitHostPort(addr)
	scribe := c.proc("scribe", "scribe", "-host", host, "-port", port, "-path", root, "-max-open-files", strconv.Itoa(maxOpen))
	c.others = append(c.others, scribe)
	began := time.Now()
	scribe.start()
	within(t, time.Minute, "the Scribe starts", func() bool { return scribe.saw("scribe started") })
	start := time.Since(began)

	feeders := manyFeeders(known)[:written/1000]
	open := 0
	for range 5 {
		oneLineEach(t, feeders, addr)
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", scribe.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		open = max(open, len(fds))
	}
	peak := peakMemory(t, scribe)
	for _, f := range feeders {
		for _, d := range f.check(t, root) {
			t.Error(d)
		}
	}
	t.Logf("%d logs known: start %v; %d of them written: %d MiB, %d descriptors", known, start.Round(time.Millisecond), written, peak>>20, open)
	if start > 2*time.Second || peak > 200<<20 || open > maxOpen+50 {
		t.Errorf("that is too much")
	}
}

// peakMemory returns the most memory, in bytes, that the program has had so far.
func peakMemory(t *testing.T, p *proc) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(kb)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
