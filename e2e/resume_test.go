package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLostSpool deletes the spool of an agent that has an identity, in the middle of its work, in every way that an
// operator or a disk may: each line must stand once all the same, and in its order. One of the logs is fed by two files,
// and all files are rotated.
func TestLostSpool(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*lossy){
		"Killed":  func(x *lossy) { x.agent().kill(); x.removeSpool() },
		"Stopped": func(x *lossy) { x.agent().terminate(stopLimit); x.removeSpool() },
		"TwiceInARow": func(x *lossy) {
			x.agent().kill()
			x.removeSpool()
			x.agent().start()
			time.Sleep(x.upTo(300 * time.Millisecond)) // killed while it asks, or just after
			x.agent().kill()
			x.removeSpool()
		},
		"ScribeDown": func(x *lossy) {
			down, waited := x.scribes[x.rng.IntN(len(x.scribes))], x.said("nothing is read until all Scribes have told")
			down.kill()
			x.agent().kill()
			x.removeSpool()
			x.agent().start()
			within(t, 10*time.Second, "the agent waits for the Scribe", func() bool {
				return x.said("nothing is read until all Scribes have told") > waited && x.agent().saw(down.name)
			})
			time.Sleep(time.Second)
			down.start()
		},
		"MediatorKilled": func(x *lossy) {
			x.agent().kill()
			x.removeSpool()
			x.mediator.kill()
			x.mediator.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, losses := newLossy(t), 2
			if *long {
				losses = 20
			}
			x.write(func() {
				for range losses {
					time.Sleep(500*time.Millisecond + x.upTo(500*time.Millisecond))
					resumed := x.said(goesOn)
					lose(x)
					if !x.agent().running() {
						x.agent().start()
					}
					within(t, 20*time.Second, "the agent goes on", func() bool { return x.said(goesOn) > resumed })
				}
			})
			x.check(x.wants, patience)
		})
	}
}

// goesOn is what an agent says when it has an answer.
const goesOn = "files are read on from where the Scribes have them"

// said counts a message of the agent.
func (x *lossy) said(message string) int { return strings.Count(x.agent().stderr(), message) }

// lossy is an agent with an identity, whose logs belong to two Scribes.
type lossy struct {
	*cluster
	rng     *rand.Rand
	writers []*writer
	wants   []expectation
}

func newLossy(t *testing.T) *lossy {
	t.Helper()
	seed := newSeed()
	t.Logf("seed %d", seed)
	x := &lossy{cluster: newCluster(t, &normal), rng: rand.New(rand.NewPCG(seed, 3))}
	mediator := x.addMediator("-health-interval", "500ms")
	x.addScribe(mediator, "-size", "100kB")
	x.addScribe(mediator, "-size", "100kB")
	var files []tailed
	for i := range 8 {
		log, tag := fmt.Sprintf("lossy/%d", i), ""
		if i >= 6 {
			log, tag = "lossy/shared", fmt.Sprintf("<%d>", i)
		}
		w := newWriter(t, x.path("in", fmt.Sprint(i), "app.log"), seed+uint64(i))
		w.tag, w.numbered, w.rotation = tag, i%2 == 0, rotation(i%2)
		glob := w.path
		if i%4 < 2 {
			glob += "*"
		}
		x.writers = append(x.writers, w)
		files = append(files, tailed{paths: []string{glob}, log: log})
		if s := (source{tag: tag, bytes: w.bytes}); i == 7 {
			x.wants[6].sources = append(x.wants[6].sources, s)
		} else {
			x.wants = append(x.wants, expectation{log: log, sources: []source{s}})
		}
	}
	x.addAgent(mediator, files, `identity = "web-7"`)
	return x
}

func (x *lossy) upTo(d time.Duration) time.Duration { return time.Duration(x.rng.Int64N(int64(d))) }

func (x *lossy) agent() *proc { return x.agents[0] }

func (x *lossy) removeSpool() {
	x.t.Helper()
	if err := os.Remove(x.spool("agent1")); err != nil && !os.IsNotExist(err) { // it may have been killed before it made one
		x.t.Fatal(err)
	}
}

// write runs the writers until the function returns.
func (x *lossy) write(meanwhile func()) {
	x.t.Helper()
	for _, w := range x.writers {
		w.begin()
	}
	within(x.t, 30*time.Second, "the first lines arrive", func() bool { return x.arrived(x.wants) })
	x.byOwner(x.wants) // both Scribes have some
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for _, w := range x.writers {
		writers.Go(func() { w.run(ctx) })
	}
	defer writers.Wait()
	defer cancel()
	meanwhile()
}

// TestLostSpoolWithoutMediator has the Scribe in the agent's own process, or sends straight to one.
func TestLostSpoolWithoutMediator(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(*cluster, []tailed) *proc{
		"Local": func(c *cluster, files []tailed) *proc {
			c.roots = []string{c.path("local")}
			p := c.newAgent("", files, `identity = "web-7"`)
			p.args = append(p.args, "-local", c.roots[0], "-mediator=")
			return p
		},
		"Direct": func(c *cluster, files []tailed) *proc {
			addr, _ := c.addScribe("")
			return c.newAgent(addr, files, `identity = "web-7"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, &normal)
			f := newAppended(t, c.path("app.log"))
			wants := []expectation{f.expectation("app")}
			p := build(c, []tailed{{paths: []string{c.path("app.log")}, log: "app"}})
			for range 3 {
				f.add(1000)
				p.start()
				within(t, 20*time.Second, "the lines", func() bool { return c.arrived(wants) })
				f.add(2000)
				p.kill()
				if err := os.Remove(c.spool("agent1")); err != nil {
					t.Fatal(err)
				}
			}
			p.start()
			c.check(wants, patience)
		})
	}
}

// TestSameIdentityTwice starts a second agent with the identity of a first one: the first is refused from then on, and
// says so; it loses nothing, and goes on once it has an identity of its own.
func TestSameIdentityTwice(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator("-health-interval", "500ms")
	c.addScribe(mediator)
	var files []*appended
	var wants []expectation
	for i := range 2 {
		f := newAppended(t, c.path(fmt.Sprintf("app%d.log", i)))
		f.add(100)
		files, wants = append(files, f), append(wants, f.expectation(fmt.Sprintf("app%d", i)))
		c.addAgent(mediator, []tailed{{paths: []string{f.file.Name()}, log: wants[i].log}}, `identity = "web-7"`)
		within(t, 20*time.Second, "its lines", func() bool { return c.arrived(wants[i:]) })
	}
	files[0].add(100)
	within(t, 20*time.Second, "the first agent says what is wrong", func() bool {
		return c.agents[0].saw("another agent has the same identity")
	})
	c.agents[0].terminate(stopLimit)
	c.agents[0].args = append(c.agents[0].args, "-identity", "web-8")
	c.agents[0].start()
	c.check(wants, patience)
}

// TestOldSpoolOfAnIdentityPutBack puts a spool back after its next one has begun. It is refused, with what to do; who does
// that has each line once.
func TestOldSpoolOfAnIdentityPutBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	addr, _ := c.addScribe("")
	f := newAppended(t, c.path("app.log"))
	wants := []expectation{f.expectation("app")}
	p := c.newAgent(addr, []tailed{{paths: []string{c.path("app.log")}, log: "app"}}, `identity = "web-7"`)
	run := func() {
		t.Helper()
		f.add(1000)
		p.start()
		within(t, 20*time.Second, "the lines", func() bool { return c.arrived(wants) })
		p.terminate(stopLimit)
	}
	spool, old := c.spool("agent1"), c.path("old.db")
	run()
	if err := os.Rename(spool, old); err != nil {
		t.Fatal(err)
	}
	run()
	c.copyTo(spool, old)
	f.add(1000)
	p.start()
	within(t, 20*time.Second, "it is said what to do", func() bool { return p.saw("If an old spool was put back, move it away") })
	p.terminate(stopLimit)
	if err := os.Rename(spool, spool+".old"); err != nil {
		t.Fatal(err)
	}
	run()
	c.check(wants, patience)
}
