package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/failpoint"
)

// failpointSample is how many of all cases the short form takes.
const failpointSample = 8

// failCase is one point with what happens there.
type failCase struct {
	point  failpoint.Point
	action string
}

// failCases are all points with all actions.
func failCases() []failCase {
	var all []failCase
	for _, p := range failpoint.All {
		for _, action := range []string{"kill", "panic", "ENOSPC", "EIO", "EROFS"} {
			all = append(all, failCase{p, action})
		}
	}
	return all
}

// TestFailpoints has a Scribe under load die at each point, or its next system call fail there. What it had acknowledged
// must be in its files, and after the rest was sent again each line once. After a failure it must go on by itself. A
// point that is not reached fails the test. The short form takes a sample.
func TestFailpoints(t *testing.T) {
	cases, seed := failCases(), newSeed()
	t.Logf("-chaos.seed=%d", seed)
	if !*long {
		rng := rand.New(rand.NewPCG(seed, 8))
		rng.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
		cases = cases[:failpointSample]
	}
	for i, fc := range cases {
		t.Run(fmt.Sprintf("%s=%s", fc.point, fc.action), func(t *testing.T) {
			t.Parallel()
			fc.run(t, seed+uint64(i))
		})
	}
}

func (fc failCase) run(t *testing.T, seed uint64) {
	c := newCluster(t, &sabotaged)
	addr, root := freeAddr(t), c.path("root")
	scribe := c.other("scribe", "scribe", "-host", "127.0.0.1", "-port", portOf(addr), "-size", "1kB", "-path", root)
	scribe.panics = fc.action == "panic"
	f := newFeeder(seed, "fail/a", "fail/b", "fail/c")
	ctx, cancel := context.WithCancel(context.Background())
	var feeding sync.WaitGroup
	defer feeding.Wait()
	defer cancel()
	feeding.Go(func() { f.run(ctx, addr, 600) })

	from := 1 + seed%3
	if strings.HasPrefix(string(fc.point), "recover.") { // there must be something to recover, of one log at least
		c.armed(scribe, "commit.ledger=kill@4")
		scribe.wait(30 * time.Second)
		from = 1
	}
	armed := fmt.Sprintf("%s=%s@%d", fc.point, fc.action, from)
	if fc.fails() {
		armed += "x20"
	}
	c.armed(scribe, armed)
	announced := fmt.Sprintf("%s%s=%s\n", failpoint.Announcement, fc.point, fc.action)
	within(t, 30*time.Second, string(fc.point)+" is reached", func() bool { return scribe.saw(announced) })
	if fc.fails() {
		time.Sleep(300 * time.Millisecond) // it goes on
		if !scribe.running() {
			t.Fatalf("the Scribe has exited\n%s", scribe.tail())
		}
	} else {
		scribe.wait(10 * time.Second)
		c.armed(scribe, "")
	}
	cancel()
	feeding.Wait()
	f.finish(t, addr)
	for _, d := range f.check(t, root) {
		t.Error(d)
	}
	scribe.terminate(stopLimit)
}

// fails says whether the program outlives it.
func (fc failCase) fails() bool { return fc.action != "kill" && fc.action != "panic" }

// armed starts a program with that failpoint.
func (c *cluster) armed(p *proc, point string) {
	c.t.Helper()
	p.env = []string{"LOGSCRIBE_FAILPOINT=" + point}
	p.start()
}
