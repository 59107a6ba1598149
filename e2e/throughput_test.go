package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// throughputLines is the number of lines of the benchmark.
const throughputLines = 2_000_000

// BenchmarkThroughput tails a large file through three processes, and compares the time until all of it is committed
// with that of copying and syncing the same file. Both read from the page cache. The first form writes one file; the second
// rotates at the default size; in the third the agent compresses with zstd, and what it makes is what the Scribe writes.
func BenchmarkThroughput(b *testing.B) {
	for _, form := range []struct{ name, compression, store, size string }{
		{"plain", "s2", "plain", "-1B"}, {"rotated", "s2", "plain", "1MB"}, {"zstd", "zstd", "zstd", "-1B"},
	} {
		b.Run(form.name, func(b *testing.B) {
			for b.Loop() {
				measure(b, form.compression, form.store, form.size)
			}
		})
	}
}

func measure(b *testing.B, compression, store, maxSize string) {
	b.Helper()
	c := newCluster(b, &normal)
	mediator := c.addMediator()
	c.addScribe(mediator, "-size", maxSize, "-store", store)
	input := c.path("app.log")
	size, err := realistic().write(input, throughputLines)
	if err != nil {
		b.Fatal(err)
	}
	copied := c.copyTime(input)

	want := fileExpectation(b, "bench/app", input)
	began := time.Now()
	agent := c.newAgent(mediator, []tailed{{paths: []string{input}, log: "bench/app"}})
	agent.args = append(agent.args, "-compression", compression)
	agent.start()
	within(b, 5*time.Minute, "all lines", func() bool { return outputSize(b, c.roots, "bench/app") >= size })
	// The last bytes stand in the file a moment before they are committed. A clean stop waits for their receipt.
	agent.terminate(stopLimit)
	took := time.Since(began)
	delivered := !agent.saw("lines stay in the spool")
	c.stopAll(stopLimit)
	if d := compare(want, output(b, c.roots, "bench/app")); d != nil || !delivered {
		b.Fatalf("difference: %v; all delivered: %v", d, delivered)
	}
	copied = (copied + c.copyTime(input)) / 2

	seconds := took.Seconds()
	b.ReportMetric(throughputLines/seconds, "lines/s")
	b.ReportMetric(float64(size)/1e6/seconds, "MB/s")
	b.ReportMetric(seconds/copied.Seconds(), "times-cp")
	report := fmt.Sprintf("%d lines, %.0f MB, as %s, files up to %s: %.2f s, %.0f lines/s, %.0f MB/s; cp and fdatasync of the same file %.2f s, so %.1f times that; CPU seconds:",
		throughputLines, float64(size)/1e6, store, maxSize, seconds, throughputLines/seconds, float64(size)/1e6/seconds,
		copied.Seconds(), seconds/copied.Seconds())
	for _, p := range c.procs() {
		b.ReportMetric(p.cpu.Seconds(), p.name+"-cpu-s")
		report += fmt.Sprintf(" %s %.2f", p.name, p.cpu.Seconds())
	}
	b.Log(report)
	c.cleanUp()
}

// copyTime copies the file, syncs the copy, and returns how long that took.
func (c *cluster) copyTime(file string) time.Duration {
	c.t.Helper()
	twin := c.path("copy")
	began := time.Now()
	if err := copyFile(twin, file); err != nil {
		c.t.Fatal(err)
	}
	f, err := os.OpenFile(twin, os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		c.t.Fatal(err)
	}
	took := time.Since(began)
	if err := os.Remove(twin); err != nil {
		c.t.Fatal(err)
	}
	return took
}
