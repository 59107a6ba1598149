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

// TestFailpoints has a Scribe under load die at each point, or its next system calls fail there. What it had acknowledged
// must be in its files, and after the rest was sent again each line once. It must stay up while a failure lasts, and go on
// by itself when that passes. A point that is not reached fails the test. The short form takes a sample.
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
	c.armed(scribe, fmt.Sprintf("%s=%s@%dx%d", fc.point, fc.action, from, fc.times()))
	announced := fmt.Sprintf("%s%s=%s\n", failpoint.Announcement, fc.point, fc.action)
	within(t, 30*time.Second, string(fc.point)+" is reached", func() bool { return scribe.saw(announced) })
	if fc.times() == 1 {
		scribe.wait(10 * time.Second)
	} else if time.Sleep(200 * time.Millisecond); !scribe.running() {
		t.Fatalf("the Scribe has exited\n%s", scribe.tail())
	}
	if fc.times() != passing { // else it goes on by itself
		scribe.kill()
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

// How often a system call fails.
const (
	passing = 20
	lasting = 1_000_000
)

// times returns how often it happens: once what the program does not outlive, else for a while, or until it is killed in
// that state.
func (fc failCase) times() int {
	switch fc.action {
	case "kill", "panic":
		return 1
	case "EIO":
		return lasting
	}
	return passing
}

// armed starts a program with that failpoint.
func (c *cluster) armed(p *proc, point string) {
	c.t.Helper()
	p.env = []string{"LOGSCRIBE_FAILPOINT=" + point}
	p.start()
}
