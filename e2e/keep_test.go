package e2e

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestKeptFiles kills a Scribe at random instants while it rotates by size and time and compresses what it has rotated:
// the plain and compressed files together must hold each line once.
func TestKeptFiles(t *testing.T) {
	t.Parallel()
	kills := 8
	if *long {
		kills = 100
	}
	seed := newSeed()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	c := newCluster(t, &normal)
	addr, root := c.addScribe("", "-size", "50kB", "-rotate-every", "1s", "-compress", "zstd", "-compress-after", "1ms")
	w := newWriter(t, c.path("in", "app.log"), seed)
	w.rotation = dated
	w.begin()
	c.addAgent(addr, []tailed{{paths: []string{w.path}, log: "kept/app"}})
	within(t, 20*time.Second, "the first lines arrive", func() bool { return outputSize(t, []string{root}, "kept/app") > 0 }) // a path must be seen before it is rotated
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { w.run(ctx) })
	for range kills {
		time.Sleep(time.Duration(rng.IntN(900)) * time.Millisecond)
		c.scribes[0].kill()
		c.scribes[0].start()
	}
	cancel()
	group.Wait()
	want := expectation{log: "kept/app", sources: []source{{bytes: w.bytes}}}
	packed := func(pattern string) int {
		found, err := filepath.Glob(filepath.Join(root, "kept", pattern))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	within(t, patience, "all lines arrive, and all rotated files are compressed", func() bool {
		return packed("app_*.log") == 0 && compare(want, output(t, c.roots, want.log)) == nil
	})
	c.stopAll(stopLimit)
	for _, d := range c.differences([]expectation{want}) {
		t.Error(d)
	}
	if n := packed("app_*.log.zst"); n < 10 {
		t.Errorf("only %d files are compressed", n)
	}
	if n := packed(".*"); n > 0 {
		t.Errorf("%d temporary files are left", n)
	}
}
