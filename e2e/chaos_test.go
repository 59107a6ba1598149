package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// shape is what a round of chaos is made of.
type shape struct {
	seed     uint64
	duration time.Duration // of writing and killing; longer if that is too short for the kills
	kills    int           // at least
	scribes  int
	direct   bool // the agents talk to the one Scribe
	agents   int
	logs     int // of each agent, beside the one that they share
	maxPause time.Duration
	victims  func(*chaos) []*proc // who is killed; nil for all
	plain    bool                 // kills alone, always restarted at once
	// hasty writers rotate small files several times a second, and compress most of them at once; agents alone are killed, as
	// often.
	hasty bool
}

// tally counts what a round has been through.
type tally struct {
	kills, pairs, stops, cuts, deafened int
	rotations                           rotations
	bytes                               int64
	switches                            int // a Scribe was started with the other store
	cutBack                             int // a Scribe found bytes that it had not committed
	backlog                             int // an agent was killed with lines in its spool
	looked                              int // killed agents whose spool was looked into
}

func (y *tally) add(o tally) {
	y.kills += o.kills
	y.pairs += o.pairs
	y.stops += o.stops
	y.cuts += o.cuts
	y.deafened += o.deafened
	y.rotations.add(o.rotations)
	y.bytes += o.bytes
	y.switches += o.switches
	y.cutBack += o.cutBack
	y.backlog += o.backlog
	y.looked += o.looked
}

func (y tally) String() string {
	return fmt.Sprintf("%d kills (%d of two at once), %d stops, %d cut wires, %d receipts lost, %d changes of a store; %d MB in %d source files, "+
		"%d of them copied and truncated, %d compressed (%d of these unread); "+
		"%d times a Scribe cut uncommitted bytes off, %d of %d killed agents had lines in their spool",
		y.kills, y.pairs, y.stops, y.cuts, y.deafened, y.switches, y.bytes/1_000_000,
		y.rotations.all, y.rotations.copied, y.rotations.packed, y.rotations.unread, y.cutBack, y.backlog, y.looked)
}

// chaos is one round: writers write while programs are killed, stopped and cut off.
type chaos struct {
	*cluster
	shape   shape
	rng     *rand.Rand
	writers []*writer
	wants   []expectation
	proxies []*proxy
	tally   tally
	due     map[*proc]time.Time // killed, and when to start them again; or stopped, and when to go on
}

func newChaos(t testing.TB, b *build, sh shape, env ...string) *chaos {
	t.Helper()
	x := &chaos{
		cluster: newCluster(t, b), shape: sh, rng: rand.New(rand.NewPCG(sh.seed, 1)),
		due: map[*proc]time.Time{},
	}
	x.env = env
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat this: -run 'TestChaos$' -chaos.seed=%d -chaos.duration=1s", sh.seed)
		}
	})
	front := ""
	if !sh.direct {
		front = x.addMediator()
	}
	for range sh.scribes {
		kept := []string{"-size", fmt.Sprintf("%dkB", 20+x.rng.IntN(300)), "-store", "plain"}
		if x.rng.IntN(2) == 0 {
			kept = []string{"-size", fmt.Sprintf("%dkB", 10+x.rng.IntN(100)), "-store", "zstd"}
		}
		if sh.direct {
			front, _ = x.addScribe("", kept...)
			continue
		}
		x.addScribeBehindProxy(front, kept...)
	}
	for i := range sh.agents {
		wire := newProxy(t, front)
		x.proxies = append(x.proxies, wire)
		x.addSources(i, wire.addr())
	}
	return x
}

// addScribeBehindProxy starts a Scribe that tells the mediator the address of a proxy.
func (x *chaos) addScribeBehindProxy(mediator string, args ...string) {
	x.t.Helper()
	wire := newProxy(x.t, "")
	x.proxies = append(x.proxies, wire)
	addr, _ := x.addScribe(mediator, append(args, "-advertise", wire.addr())...)
	wire.setTarget(addr)
}

// addSources starts an agent and makes its writers: for logs of its own, and for one that all agents share.
func (x *chaos) addSources(agent int, destination string) {
	x.t.Helper()
	var files []tailed
	var p *proc
	for i := range x.shape.logs + 1 {
		log := fmt.Sprintf("chaos/agent%d-%d", agent+1, i+1)
		tag := ""
		if i == x.shape.logs {
			log, tag = "shared", fmt.Sprintf("<%d>", agent+1)
		}
		w := newWriter(x.t, x.path("in", fmt.Sprintf("%d-%d", agent+1, i+1), "app.log"), x.shape.seed+uint64(len(x.writers)))
		w.tag, w.numbered, w.pause = tag, i%2 == 1, x.shape.maxPause
		w.rotation, w.copies = rotation(x.rng.IntN(2)), x.rng.IntN(3) == 0
		w.packs, w.deletes = x.rng.IntN(2) == 0, tag == "" && x.rng.IntN(2) == 0
		if x.shape.hasty {
			w.hasty, w.minFile, w.rotation, w.copies, w.packs = true, 2000, shifted, false, true
		}
		if tag == "" { // what has reached a Scribe is in the spool at least
			w.delivered = func() int64 { return outputSize(x.t, x.roots, log) }
		}
		w.down = func(f func()) bool { return p.whileDown(f) }
		paths := []string{w.path}
		if (agent+i)%2 == 0 { // the rotated names too
			paths[0] += "*"
		}
		x.writers = append(x.writers, w)
		files = append(files, tailed{paths: paths, log: log})
		x.expect(log, source{tag: tag, bytes: w.bytes})
	}
	codecs := []string{"s2", "zstd", "none"}
	p = x.newAgent(destination, files)
	p.args = append(p.args, "-compression", codecs[x.rng.IntN(len(codecs))])
	if x.rng.IntN(3) == 0 {
		p.args = append(p.args, "-max-size", "5MB") // full most of the time: the files are read later
	}
	p.start()
}

func (x *chaos) expect(log string, s source) {
	for i := range x.wants {
		if x.wants[i].log == log {
			x.wants[i].sources = append(x.wants[i].sources, s)
			return
		}
	}
	x.wants = append(x.wants, expectation{log: log, sources: []source{s}})
}

// run writes and kills until both have been enough, then lets everything run and ends the writers. What they wrote
// need not have arrived yet.
func (x *chaos) run() {
	x.t.Helper()
	for _, w := range x.writers {
		w.begin()
	}
	// A file that is rotated away before an agent has ever seen it is none that the agent tails.
	within(x.t, 30*time.Second, "the first lines arrive", func() bool { return x.arrived(x.wants) })
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for _, w := range x.writers {
		writers.Go(func() { w.run(ctx) })
	}
	defer writers.Wait()
	defer cancel()
	end := time.Now().Add(x.shape.duration)
	for time.Now().Before(end) || x.tally.kills < x.shape.kills {
		x.event()
		x.rest(x.lull())
	}
	for len(x.due) > 0 {
		x.rest(50 * time.Millisecond)
	}
	for _, p := range x.proxies {
		p.cut()
	}
}

// rest lets time pass, in which programs are started again that it is time for.
func (x *chaos) rest(d time.Duration) {
	x.t.Helper()
	for end := time.Now().Add(d); ; {
		for p, due := range x.due {
			if time.Now().After(due) {
				x.revive(p)
			}
		}
		left := time.Until(end)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, 5*time.Millisecond))
	}
}

func (x *chaos) revive(p *proc) {
	x.t.Helper()
	delete(x.due, p)
	if p.running() {
		p.cont()
		return
	}
	if i := slices.Index(p.args, "-store"); i >= 0 && x.rng.IntN(3) == 0 {
		p.args[i+1] = map[string]string{"plain": "zstd", "zstd": "plain"}[p.args[i+1]]
		x.tally.switches++
	}
	p.start()
}

// lull is the time between two events.
func (x *chaos) lull() time.Duration {
	if x.shape.hasty {
		return time.Duration(50+x.rng.IntN(250)) * time.Millisecond
	}
	return time.Duration(x.rng.IntN(400)) * time.Millisecond
}

// event makes something happen.
func (x *chaos) event() {
	x.t.Helper()
	if x.shape.hasty {
		p := x.agents[x.rng.IntN(len(x.agents))]
		if _, dead := x.due[p]; !dead {
			x.kill(p, x.lull()*time.Duration(x.rng.IntN(3)))
		}
		return
	}
	victims := x.procs()
	if x.shape.victims != nil {
		victims = x.shape.victims(x)
	}
	p := victims[x.rng.IntN(len(victims))]
	if x.shape.plain {
		x.kill(p, 0)
		return
	}
	switch n := x.rng.IntN(100); {
	case n < 50:
		x.kill(p, x.pause())
	case n < 62: // two at once
		q := victims[x.rng.IntN(len(victims))]
		if p != q {
			x.tally.pairs++
			x.kill(q, x.pause())
		}
		x.kill(p, x.pause())
	case n < 75:
		x.suspend(p, time.Duration(x.rng.IntN(1500))*time.Millisecond)
	case n < 85 && len(x.proxies) > 0:
		x.tally.cuts++
		x.proxies[x.rng.IntN(len(x.proxies))].cut()
	case len(x.proxies) > 0:
		x.loseReceipts(x.proxies[x.rng.IntN(len(x.proxies))])
	}
}

// pause is how long a killed program stays dead.
func (x *chaos) pause() time.Duration {
	if x.rng.IntN(2) == 0 {
		return 0
	}
	return time.Duration(x.rng.IntN(1500)) * time.Millisecond
}

// kill kills a program, which starts again after the pause. One that is stopped may be killed, too.
func (x *chaos) kill(p *proc, pause time.Duration) {
	x.t.Helper()
	if !p.running() {
		if _, ok := x.due[p]; !ok {
			x.t.Fatalf("%s ended by itself, with exit code %d\n%s", p.name, p.exitCode(), p.tail())
		}
		return
	}
	p.kill()
	x.tally.kills++
	if strings.HasPrefix(p.name, "agent") {
		x.lookInto(x.spool(p.name))
	}
	x.due[p] = time.Now().Add(pause)
	if pause == 0 {
		x.revive(p)
	}
}

// lookInto counts whether the spool of a dead agent has lines, now and then. It looks into a copy, so that the agent
// finds what its predecessor left.
func (x *chaos) lookInto(path string) {
	if x.rng.IntN(4) != 0 {
		return
	}
	twin := path + ".copy"
	defer os.Remove(twin)
	if err := copyFile(twin, path); err != nil {
		return // it was killed before it made one
	}
	s, err := spool.Open(twin, spool.Options{})
	if err != nil {
		x.t.Errorf("the spool of a killed agent can't be opened: %v", err)
		return
	}
	x.tally.looked++
	if s.Lines() > 0 {
		x.tally.backlog++
	}
	if err := s.Close(); err != nil {
		x.t.Error(err)
	}
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	_, err = io.Copy(dst, src)
	return err
}

// suspend stops a program for a while.
func (x *chaos) suspend(p *proc, d time.Duration) {
	if _, ok := x.due[p]; ok || !p.running() {
		return
	}
	p.stop()
	x.tally.stops++
	x.due[p] = time.Now().Add(d)
}

// loseReceipts throws away what comes back over a wire for a moment, and then cuts it: what was sent meanwhile is
// committed, and its sender does not know.
func (x *chaos) loseReceipts(p *proxy) {
	x.t.Helper()
	p.setDeaf()
	x.rest(time.Duration(20+x.rng.IntN(300)) * time.Millisecond)
	if p.hasSwallowed("chaos/") || p.hasSwallowed("shared") { // receipts name their logs
		x.tally.deafened++
	}
	p.cut()
}

// count completes the tally.
func (x *chaos) count() tally {
	for _, s := range x.scribes {
		x.tally.cutBack += strings.Count(s.stderr(), "cut uncommitted bytes off")
	}
	for _, w := range x.writers {
		x.tally.rotations.add(w.tally)
		x.tally.rotations.all++ // the last file
		x.tally.bytes += int64(len(w.bytes()))
	}
	return x.tally
}

// patience is how long nothing may arrive before a round is over: longer than every timeout between the programs.
const patience = 60 * time.Second

// round runs one shape, and fails the test unless every byte arrives, once.
func round(t *testing.T, sh shape) tally {
	t.Helper()
	x := newChaos(t, &normal, sh)
	x.run()
	began := time.Now()
	x.check(x.wants, patience)
	result := x.count()
	t.Logf("seed %d: %v; drained in %v", sh.seed, result, time.Since(began).Round(100*time.Millisecond))
	if t.Failed() {
		t.Logf("files:\n%s", listing(x.path("in")))
	}
	return result
}

// TestChaos is the promise itself: whatever is killed, stopped or cut off, and whenever, each line that was written
// arrives once, in order, byte for byte. With -chaos.duration it goes on through rounds of all shapes.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := newSeed()
	t.Logf("-chaos.seed=%d", seed)
	if *chaosDuration == 0 {
		result := round(t, shape{
			seed: seed, duration: 10 * time.Second, kills: 20, scribes: 2, agents: 2, logs: 2, maxPause: 15 * time.Millisecond,
		})
		if result.cutBack == 0 || result.backlog == 0 {
			t.Log("this round was too kind: no kill has led to what a restart must mend")
		}
		return
	}
	var sum tally
	for end, rounds := time.Now().Add(*chaosDuration), 0; time.Now().Before(end) && !t.Failed(); rounds++ {
		sh := randomShape(seed + uint64(rounds))
		t.Run(fmt.Sprint(sh.seed), func(t *testing.T) { sum.add(round(t, sh)) })
	}
	t.Logf("in all: %v", sum)
	if sum.cutBack == 0 || sum.backlog == 0 || sum.deafened == 0 || sum.rotations.copied == 0 || sum.rotations.unread == 0 {
		t.Error("the rounds were too kind: what a restart must mend has not happened")
	}
}

// randomShape returns what a seed stands for.
func randomShape(seed uint64) shape {
	rng := rand.New(rand.NewPCG(seed, 3))
	sh := shape{
		seed: seed, duration: time.Duration(10+rng.IntN(30)) * time.Second, kills: 30,
		scribes: 1 + rng.IntN(3), agents: 1 + rng.IntN(3), logs: 1 + rng.IntN(4),
		maxPause: time.Duration(rng.IntN(30)) * time.Millisecond,
	}
	if rng.IntN(4) == 0 {
		sh.scribes, sh.direct = 1, true
	}
	if sh.agents*sh.logs > 4 {
		sh.maxPause += 10 * time.Millisecond
	}
	sh.hasty = rng.IntN(4) == 0
	return sh
}
