package tail

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestAdhocIdle(t *testing.T) {
	const n = 100000
	f := newFixture(t, "**/*.log")
	f.cfg.PollInterval, f.cfg.ScanInterval = 0, 0
	f.cfg.Sections[0].Log = "all/{stem}"
	d := &discard{target: n * 4, done: make(chan struct{})}
	f.cfg.Spool = d
	for i := range n {
		f.write(fmt.Sprintf("f%d.log", i), "one\n")
	}
	start, c := time.Now(), cpu()
	f.up()
	<-d.done
	t.Logf("start: %v, cpu %v", time.Since(start), cpu()-c)
	for range 5 {
		c = cpu()
		time.Sleep(10 * time.Second)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("idle cpu %v in 10s, heap %d MiB, open %d, scans %d, cost %v", cpu()-c, m.HeapAlloc>>20, f.source.Stats().Open, f.source.scanned.Load(), f.source.scans.cost)
	}
}
