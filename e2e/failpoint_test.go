package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/failpoint"
)

// failpointSample is how many of all cases the short form takes.
const failpointSample = 8

// failCase is one point with what happens there, in a Scribe whose files have that form.
type failCase struct {
	point  failpoint.Point
	action string
	store  string
}

// failCases are all points with all actions and forms that come there.
func failCases() []failCase {
	var all []failCase
	for _, p := range failpoint.All {
		for _, action := range []string{"kill", "panic", "ENOSPC", "EIO", "EROFS"} {
			for _, store := range []string{"plain", "zstd"} {
				if fc := (failCase{p, action, store}); store == "plain" || !fc.of("compress") { // which frames are already
					all = append(all, fc)
				}
			}
		}
	}
	return all
}

// TestFailpoints has a Scribe under load die at each point, or its next system calls fail there. What it had acknowledged
// must be in its files, and after the rest was sent again each line once. It must stay up while a failure lasts, and go on
// by itself when that passes. A point that is not reached fails the test. The short form takes a sample.
func TestFailpoints(t *testing.T) {
	t.Parallel()
	cases, seed := failCases(), newSeed()
	t.Logf("-chaos.seed=%d", seed)
	if !*long {
		rng := rand.New(rand.NewPCG(seed, 8))
		rng.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
		cases = cases[:failpointSample]
	}
	for i, fc := range cases {
		t.Run(fmt.Sprintf("%s=%s,%s", fc.point, fc.action, fc.store), func(t *testing.T) {
			t.Parallel()
			fc.run(t, seed+uint64(i))
		})
	}
}

func (fc failCase) run(t *testing.T, seed uint64) {
	c := newCluster(t, &sabotaged)
	addr, root := freeAddr(t), c.path("root")
	scribe := c.other("scribe", "scribe", "-host", "127.0.0.1", "-port", portOf(addr), "-path", root)
	args := append(scribe.args, fc.settings()...)
	scribe.args = append(args, "-store", fc.store)
	scribe.panics = fc.action == "panic"
	f := newFeeder(seed, "fail/a", "fail/b", "fail/c")
	f.pause, f.discards = fc.pause(), fc.of("discard")
	if fc.store == "zstd" {
		f.most = 10 // so that there are as many rotations: a file has one block at least
	}
	ctx, cancel := context.WithCancel(context.Background())
	var feeding sync.WaitGroup
	defer feeding.Wait()
	defer cancel()
	feeding.Go(func() { f.run(ctx, addr, 600) })

	from := 1 + seed%3
	if fc.of("recover") || fc.of("switch") { // there must be something to recover, of one log at least
		if fc.of("switch") {
			scribe.args = append(args, "-store", map[string]string{"plain": "zstd", "zstd": "plain"}[fc.store])
		}
		c.armed(scribe, "commit.ledger=kill@4")
		scribe.wait(30 * time.Second)
		scribe.args = append(args, "-store", fc.store)
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
	fc.awaitTidy(t, f, addr, root)
	scribe.terminate(stopLimit)
	for _, d := range f.check(t, root) {
		t.Error(d)
	}
}

// of says whether the point is one of that group.
func (fc failCase) of(group string) bool { return strings.HasPrefix(string(fc.point), group+".") }

// kept is how many rotated files of a log a Scribe keeps that is to discard some.
const kept = 2

// settings are those with which the Scribe comes to the point.
func (fc failCase) settings() []string {
	switch {
	case fc.of("quiet"):
		return []string{"-rotate-every", "1s"}
	case fc.of("compress"):
		return []string{"-size", "50kB", "-compress", "zstd", "-compress-after", "1ms"}
	case fc.of("discard"):
		return []string{"-size", fc.size(), "-keep-files", strconv.Itoa(kept)}
	}
	return []string{"-size", fc.size()}
}

// size is a small one: there are to be many rotations.
func (fc failCase) size() string {
	switch {
	case fc.of("switch"): // which begins with the other store
	case fc.point == failpoint.RecoverCut, fc.point == failpoint.RecoverDone:
		return "5kB" // a frame behind a committed one in the same file is to be cut off
	case fc.store == "zstd":
		return "100B"
	}
	return "1kB"
}

// pause returns how long the feeder rests between streams: a log is quiet only if nobody writes to it when its period
// ends, and files are not compressed as fast as they can be filled.
func (fc failCase) pause() time.Duration {
	switch {
	case fc.of("quiet"):
		return 700 * time.Millisecond
	case fc.of("compress"):
		return 100 * time.Millisecond
	}
	return 0
}

// awaitTidy feeds the rest, and some lines more until the Scribe has compressed or discarded the rotated files as it is
// set. Files that it could not compress it leaves alone for longer than a test lasts: one for each failure.
func (fc failCase) awaitTidy(t *testing.T, f *feeder, addr, root string) {
	var least, most int // rotated files that are not compressed by the compressor
	switch {
	case fc.of("discard"):
		least, most = kept*len(f.logs), kept*len(f.logs)
	case !fc.of("compress"):
		f.finish(t, addr)
		return
	case fc.times() == passing:
		most = passing
	}
	files := func(pattern string) int {
		found, err := filepath.Glob(filepath.Join(root, "fail", pattern))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	within(t, time.Minute, "the rotated files are kept as they should", func() bool {
		f.finish(t, addr)
		return eventually(time.Second, func() bool {
			plain, packed := files("?_*.log"), files("?_*.log.zst")
			if fc.store == "zstd" {
				plain += packed
			}
			return plain >= least && plain <= most && files(".*") == 0 && (packed > 0 || !fc.of("compress"))
		})
	})
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
