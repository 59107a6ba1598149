package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// reloaded is an agent whose configuration changes again and again while its files are written and rotated.
type reloaded struct {
	*cluster
	agent   *proc
	rng     *rand.Rand
	fronts  []string  // addresses of the mediator
	steady  *writer   // goes to one log all the time
	moving  []*writer // go to one of two logs each, or are not read for a while
	writing sync.WaitGroup
	end     context.CancelFunc
	answers []time.Duration // how long the agent took to say what came of each signal
}

// plan is one good configuration: moves says of each moving writer to which of its logs it goes, 2 for none.
type plan struct {
	front                    string
	moves                    []int
	maxSize, full, codec, on string
}

func newReloaded(t *testing.T) *reloaded {
	t.Helper()
	seed := newSeed()
	t.Logf("seed %d: -chaos.seed=%[1]d", seed)
	r := &reloaded{cluster: newCluster(t, &normal), rng: rand.New(rand.NewPCG(seed, 3))}
	mediator := r.addMediator()
	r.addScribe(mediator, "-size", "200kB")
	wire := newProxy(t, mediator)
	r.fronts = []string{mediator, wire.addr()}
	r.steady = newWriter(t, r.path("in", "steady.log"), seed)
	r.steady.rotation = dated
	for i := range 2 {
		w := newWriter(t, r.path("in", fmt.Sprintf("moving%d.log", i)), seed+uint64(i)+1)
		w.rotation, w.numbered = rotation(i), true
		if w.rotation == dated { // the others keep all files, so that each rotation renames hundreds of them
			w.deletes, w.delivered = true, func() int64 { return r.arrivedOf(i) }
		}
		r.moving = append(r.moving, w)
	}
	r.agent = r.newAgent(mediator, nil)
	r.configure(r.text(plan{front: mediator, moves: []int{0, 0}, maxSize: "1GB", full: "block", codec: "s2", on: "info"}))
	ctx, end := context.WithCancel(context.Background())
	r.end = end
	t.Cleanup(func() { end(); r.writing.Wait() })
	writers := append(slices.Clone(r.moving), r.steady)
	for _, w := range writers {
		w.minFile, w.pause = 3000, 10*time.Millisecond // some rotations a second each
		w.begin()
	}
	r.agent.start()
	for _, log := range []string{"steady", movedTo(0, 0), movedTo(1, 0)} { // a path must be seen before it is rotated
		within(t, 20*time.Second, "lines flow", func() bool { return outputSize(t, r.roots, log) > 0 })
	}
	for _, w := range writers {
		r.writing.Go(func() { w.run(ctx) })
	}
	return r
}

// draw makes up a good configuration.
func (r *reloaded) draw() plan {
	p := plan{
		front: pick(r.rng, r.fronts...), maxSize: pick(r.rng, "1GB", "5MB", "-1B"), full: "block",
		codec: pick(r.rng, "s2", "zstd", "none"), on: pick(r.rng, "info", "debug"),
	}
	for range r.moving {
		p.moves = append(p.moves, r.rng.IntN(3))
	}
	return p
}

func pick(rng *rand.Rand, choices ...string) string { return choices[rng.IntN(len(choices))] }

func (r *reloaded) text(p plan) string {
	text := fmt.Sprintf("name = \"agent1\"\nmediators = [%q]\nlog_level = %q\n[spool]\npath = %q\nmax_size = %q\nwhen_full = %q\ncompression = %q\n",
		p.front, p.on, r.spool("agent1"), p.maxSize, p.full, p.codec)
	text += fmt.Sprintf("[[file]]\npaths = [%q]\nlog = \"steady\"\n", r.steady.path)
	for i, to := range p.moves {
		if to < 2 { // by another glob each time
			paths := [][]string{{r.moving[i].path}, {r.path("in", fmt.Sprintf("m*%d.log", i)), r.path("none", "*")}}[to]
			text += fmt.Sprintf("[[file]]\npaths = %s\nlog = %q\n", tomlStrings(paths), movedTo(i, to))
		}
	}
	return text
}

// arrivedOf returns the bytes of a moving writer that have arrived. Then the agent has read all that was written before.
func (r *reloaded) arrivedOf(writer int) int64 {
	return outputSize(r.t, r.roots, movedTo(writer, 0)) + outputSize(r.t, r.roots, movedTo(writer, 1))
}

func movedTo(writer, to int) string { return fmt.Sprintf("moving%d/%d", writer, to) }

// spoil makes a good configuration a bad one, and returns what must be said of it.
func (r *reloaded) spoil(good string) (text, said string) {
	switch r.rng.IntN(8) {
	case 0:
		return good + "[[file\n", "agent.toml"
	case 1:
		return good + "lgo = \"x\"\n", `unknown key \"lgo\"`
	case 2:
		return good + "[[file]]\npaths = [\"/x\"]\nlog = \"../x\"\n", "bad log name"
	case 3:
		return good + "[[file]]\npaths = [\"/x/[\"]\nlog = \"x\"\n", "bad glob"
	case 4:
		return good + "[[file]]\npaths = [\"/x\"]\nlog = \"{hots}\"\n", "unknown placeholder {hots}"
	case 5:
		return good + "[tls]\nca = \"missing.pem\"\n", "missing.pem"
	case 6:
		return strings.Replace(good, "spool.db", "other.db", 1), "spool.path needs a restart to change"
	default:
		return strings.Replace(good, "agent1", "other", 1), "name needs a restart to change"
	}
}

// configure puts a configuration in the place of the agent's, as a whole.
func (r *reloaded) configure(text string) {
	r.t.Helper()
	file := r.path("agent1", "agent.toml")
	err := os.WriteFile(file+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// hup puts a configuration in force, or tries to, with a signal or a burst of them, and waits until the agent says what is
// wanted. What it says first may be of a configuration before: of a burst, some reloads come late.
func (r *reloaded) hup(burst int, text, want string) {
	r.t.Helper()
	r.configure(text)
	before, began := len(r.outcomes()), time.Now()
	for range burst {
		r.agent.signal(syscall.SIGHUP)
	}
	var said []string
	if !eventually(20*time.Second, func() bool {
		said = r.outcomes()[before:]
		return slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, want) })
	}) {
		r.t.Fatalf("the agent says %q\nwant %s; the configuration is\n%s", said, want, text)
	}
	r.answers = append(r.answers, time.Since(began))
}

// outcomes returns what the agent has said of all reloads.
func (r *reloaded) outcomes() (all []string) {
	for line := range strings.Lines(r.agent.stderr()) {
		if strings.Contains(line, "msg=reloaded") || strings.Contains(line, `msg="reload failed`) {
			all = append(all, line)
		}
	}
	return all
}

// TestReload sends SIGHUP again and again, a third of the times with a configuration that is wrong, while files are
// written and rotated. The long form is a thousand signals in a minute, and hundreds of rotated files.
func TestReload(t *testing.T) {
	t.Parallel()
	n, pause := 60, 40*time.Millisecond
	if *long {
		n, pause = 1000, 60*time.Millisecond
	}
	r := newReloaded(t)
	good, bad, began := 0, 0, time.Now()
	for i := range n {
		next := time.Now().Add(pause)
		text, want, burst := r.text(r.draw()), "msg=reloaded", 1
		good++
		if i%3 == 1 {
			text, want = r.spoil(text)
			good, bad = good-1, bad+1
		}
		if r.rng.IntN(10) == 0 {
			burst = 5
		}
		r.hup(burst, text, want)
		time.Sleep(time.Until(next))
	}
	took := time.Since(began)
	r.hup(1, r.text(plan{front: r.fronts[0], moves: []int{1, 0}, maxSize: "1GB", full: "block", codec: "s2", on: "info"}), "msg=reloaded")
	r.hup(1, r.text(r.draw())+"lgo = 1\n", "unknown key")
	sizes := []int64{outputSize(t, r.roots, movedTo(0, 1)), outputSize(t, r.roots, movedTo(1, 0))}
	within(t, 20*time.Second, "lines go where the last good configuration says", func() bool {
		return outputSize(t, r.roots, movedTo(0, 1)) > sizes[0] && outputSize(t, r.roots, movedTo(1, 0)) > sizes[1]
	})
	r.end()
	r.writing.Wait()
	t.Logf("%d good and %d wrong configurations in %v; %d rotations", good, bad, took.Round(time.Millisecond),
		r.steady.tally.all+r.moving[0].tally.all+r.moving[1].tally.all)
	r.checkAnswers()
	eventually(patience, func() bool {
		var wrote, got int64
		for i, w := range r.moving {
			wrote += int64(len(w.bytes()))
			got += r.arrivedOf(i)
		}
		return got >= wrote
	})
	r.check([]expectation{{log: "steady", sources: []source{{bytes: r.steady.bytes}}}}, patience)
	for i, w := range r.moving {
		r.checkMoved(w, movedTo(i, 0), movedTo(i, 1))
	}
}

// checkAnswers wants 99 of 100 answers soon. How many rotated files there are must not matter.
func (r *reloaded) checkAnswers() {
	r.t.Helper()
	slices.Sort(r.answers)
	of := func(percent int) time.Duration {
		return r.answers[(len(r.answers)-1)*percent/100].Round(time.Millisecond)
	}
	r.t.Logf("half of the signals were answered within %v, 99 of 100 within %v, all within %v", of(50), of(99), of(100))
	if of(99) > 2*time.Second {
		r.t.Errorf("of 100 signals one was answered after more than %v", of(99))
	}
}

// checkMoved compares what a writer has written with what arrived in its logs together: each line once, and in each log
// in the order of writing.
func (r *reloaded) checkMoved(w *writer, logs ...string) {
	r.t.Helper()
	written := bytes.SplitAfter(w.bytes(), []byte{'\n'})
	written = written[:len(written)-1]
	seen := make([]int, len(written))
	for _, log := range logs {
		last := -1
		for line := range bytes.Lines(output(r.t, r.roots, log)) {
			var n int
			if _, err := fmt.Sscanf(string(line[:min(len(line), 8)]), "%08d", &n); err != nil || n >= len(written) || !bytes.Equal(line, written[n]) {
				r.t.Errorf("log %s has a line that was not written: %.200q", log, line)
				return
			}
			if n <= last {
				r.t.Errorf("log %s has line %d after line %d", log, n, last)
			}
			last = n
			seen[n]++
		}
	}
	for n, times := range seen {
		if times != 1 {
			first, last := n, n
			for last+1 < len(seen) && seen[last+1] == times {
				last++
			}
			r.t.Errorf("of %d lines of %s, the lines %d to %d came %d times", len(written), w.path, first, last, times)
			return
		}
	}
	r.t.Logf("%s: %d lines in %d logs", w.path, len(written), len(logs))
}
