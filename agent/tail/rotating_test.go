package tail

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// rotating is a path that is written to and rotated at random, by whoever calls step.
type rotating struct {
	f     *fixture
	name  string
	dated bool // app.log-20260101, and not app.log.1
	hasty bool // may rotate several times within a tick of the file clock, or write after the grace period: no order is promised

	mu     sync.Mutex // guards what follows
	rng    *rand.Rand
	lines  int
	bytes  int
	turns  int
	born   time.Time
	file   *os.File // nil between a rotation and the next file
	before *os.File // renamed, but still written to
}

// Limits, as each look at a folder may rotate, and then costs more.
const (
	maxTurns = 40
	maxLines = 3000
)

func newRotating(f *fixture, name string, hasty bool, seed uint64) *rotating {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := &rotating{f: f, name: name, rng: rng, dated: rng.IntN(2) == 0, hasty: hasty}
	r.create()
	r.append(r.file)
	return r
}

func (r *rotating) create() {
	file, err := os.OpenFile(r.f.path(r.name), os.O_APPEND|os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	r.f.check(err)
	r.file, r.born = file, time.Now()
}

func (r *rotating) append(file *os.File) {
	for range 1 + r.rng.IntN(4) {
		line := fmt.Sprintf("%s %06d %s\n", r.name, r.lines, strings.Repeat("x", r.rng.IntN(60)))
		_, err := io.WriteString(file, line)
		r.f.check(err)
		r.lines++
		r.bytes += len(line)
	}
}

// step does one thing, unless another step is being done.
func (r *rotating) step() {
	if !r.mu.TryLock() {
		return
	}
	defer r.mu.Unlock()
	switch n := r.rng.IntN(10); {
	case r.lines > maxLines:
	case r.before != nil && n < 3:
		r.append(r.before)
	case r.before != nil:
		r.begin()
		if n < 8 {
			r.append(r.file)
		}
	case n < 7, r.turns >= maxTurns, !r.hasty && time.Since(r.born) < clockTick/4:
		r.append(r.file)
	default:
		r.rotate()
	}
}

// begin parts with the file that was renamed.
func (r *rotating) begin() {
	r.f.check(r.before.Close())
	r.before = nil
	r.create()
}

func (r *rotating) rotate() {
	r.turns++
	if r.dated {
		r.f.rename(r.name, fmt.Sprintf("%s-%08d", r.name, 20260000+r.turns))
	} else {
		for i := r.turns - 1; i > 0; i-- {
			r.f.rename(fmt.Sprintf("%s.%d", r.name, i), fmt.Sprintf("%s.%d", r.name, i+1))
		}
		r.f.rename(r.name, r.name+".1")
	}
	r.before, r.file = r.file, nil
}

// end closes the files, the last of which is at its path.
func (r *rotating) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.before != nil {
		r.begin()
		r.append(r.file)
	}
	r.f.check(r.file.Close())
}

// check wants each line once in the logs together, and in each of them the order of writing.
func (r *rotating) check(logs ...string) {
	r.f.eventually(func() bool {
		n := 0
		for _, log := range logs {
			n += len(r.f.spool.log(log))
		}
		return n >= r.bytes
	})
	seen := make([]int, r.lines)
	for _, log := range logs {
		last := -1
		for line := range strings.Lines(r.f.spool.log(log)) {
			var name string
			var n int
			if _, err := fmt.Sscanf(line, "%s %d", &name, &n); err != nil || name != r.name || n >= r.lines {
				r.f.t.Fatalf("log %s has the line %q", log, line)
			}
			if n <= last && !r.hasty {
				r.f.t.Errorf("log %s has line %d after line %d", log, n, last)
			}
			last = n
			seen[n]++
		}
	}
	for n, times := range seen {
		if times != 1 {
			r.f.t.Errorf("of %d lines of %s, line %d came %d times; it is the first that did not come once", r.lines, r.name, n, times)
			return
		}
	}
}

// TestReconfigureBetweenRotations changes the sections again and again, and has files rotated between any two looks of the
// source at a name. Each line must come once.
func TestReconfigureBetweenRotations(t *testing.T) {
	t.Parallel()
	rounds := 10
	if *long {
		rounds = 500
	}
	for range rounds {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { reconfigureBetweenRotations(t, seed) }) {
			return
		}
	}
}

func reconfigureBetweenRotations(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	f := newFixture(t)
	f.spool.lottery = rng.IntN(2) == 0
	f.cfg.MaxOpen = []int{1, 500}[rng.IntN(2)]
	if rng.IntN(2) == 0 {
		f.blind()
	}
	hasty := rng.IntN(2) == 0
	if hasty {
		f.cfg.Grace = 10 * time.Millisecond
	}
	files := []*rotating{newRotating(f, "app.log", hasty, rng.Uint64()), newRotating(f, "web.log", hasty, rng.Uint64())}
	rotated := []string{"", "*"}[rng.IntN(2)] // whether rotated names are covered, too
	sections := func(choices ...int) (all []Section) {
		for i, c := range choices {
			if c < 2 {
				all = append(all, f.section(fmt.Sprintf("%s/%d", files[i].name, c), files[i].name+rotated))
			}
		}
		return all
	}
	odds := []int{2, 10, 50, 300}[rng.IntN(4)]
	var between atomicBool
	f.cfg.stat = func(path string) (fileStat, error) {
		st, err := statPath(path)
		if n := rand.IntN(odds); between.get() && n < len(files) {
			files[n].step()
		}
		return st, err
	}
	f.cfg.Sections = sections(0, 0)
	f.up()
	for _, r := range files { // a path must be seen before it is rotated
		f.eventually(func() bool { return f.spool.log(r.name+"/0") != "" })
	}
	between.set(true)
	for range 80 {
		f.reconfigure(sections(rng.IntN(3), rng.IntN(3))...)
		for range rng.IntN(8) {
			files[rng.IntN(2)].step()
		}
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
	}
	between.set(false)
	f.reconfigure(sections(0, 0)...)
	for _, r := range files {
		r.end()
		r.check(r.name+"/0", r.name+"/1")
	}
}
