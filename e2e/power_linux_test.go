package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/powerdisk"
	"github.com/logscribe/logscribe/internal/sabotage"
)

const (
	powerDiskSize = 64 << 20
	// powerCuts is how often the power of one disk is cut, of which there are powerRounds in the long form.
	powerCuts   = 8
	powerRounds = 25
)

// outage is what is found after a loss of power, and what was known at that instant.
type outage struct {
	loss  powerdisk.Loss
	image []byte
	acked map[string]uint64
	sent  map[string]uint64
	store string // that the Scribe is started with afterwards
}

// stores are what a Scribe may be started with.
var stores = []string{"plain", "zstd"}

func (o *outage) String() string {
	return fmt.Sprintf("power lost (%v) with %v acknowledged, afterwards with store %s", o.loss, o.acked, o.store)
}

// TestPowerLossScribe cuts the power of a Scribe's disk at random instants under load, from its first start on, and while it is
// killed and started again, with either store. After each cut it must find all lines whose receipt had been given, and after the others were
// sent again each line once.
func TestPowerLossScribe(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t, &normal) {
		return
	}
	seed := newSeed()
	rounds := 1
	if *long {
		rounds = powerRounds
	}
	for i := range rounds {
		seed := seed + uint64(i)
		t.Logf("-chaos.seed=%d", seed)
		f, outages := loseScribesPower(t, &normal, seed)
		for _, o := range outages {
			t.Log(o)
			for _, d := range recoverScribe(t, f, o) {
				t.Error(d)
			}
		}
	}
}

// TestFailingDisk has the disk of a Scribe under load refuse to write and to flush, from some instant on. The Scribe must stay
// up, and acknowledge nothing that is not on the disk: after a loss of power all its receipts must be true.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t, &normal) {
		return
	}
	seed := newSeed()
	t.Logf("-chaos.seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 9))
	f, o := newFeeder(seed, "power/a", "power/b", "c"), &outage{loss: powerdisk.LoseAll, store: stores[rng.IntN(2)]}
	t.Run("Fail", func(t *testing.T) {
		c := newCluster(t, &normal)
		disk := newPowerDisk(t, c)
		scribe, addr := c.scribeOnDisk(c.path("disk"), stores[rng.IntN(2)])
		ctx, cancel := context.WithCancel(context.Background())
		var feeding sync.WaitGroup
		defer feeding.Wait()
		defer cancel()
		feeding.Go(func() { f.run(ctx, addr, 300) })
		within(t, 20*time.Second, "the first receipts", func() bool { acked, _ := f.known(); return acked["c"] > 0 })
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		disk.Fail()
		time.Sleep(time.Second)
		if !scribe.running() {
			t.Errorf("the Scribe has exited\n%s", scribe.tail())
		}
		o.acked, o.sent = f.known()
		o.image = disk.Image(o.loss, rng)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.failed == nil {
			t.Error("no stream has failed")
		}
		t.Logf("%v; the last error: %v", o, f.failed)
	})
	for _, d := range recoverScribe(t, f, o) {
		t.Error(d)
	}
}

// TestPowerLossFindsSabotage proves that the tests above can fail: without a sync that a promise rests on they find
// the promise broken.
func TestPowerLossFindsSabotage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("not with -short")
	}
	if !inOwnMounts(t, &normal, &sabotaged) {
		return
	}
	for _, off := range []sabotage.Switch{sabotage.FileSync, sabotage.BoltSync} {
		t.Run(string(off), func(t *testing.T) {
			seed := newSeed()
			for cuts := 0; cuts < 100; seed++ {
				f, outages := loseScribesPower(t, &sabotaged, seed, "LOGSCRIBE_SABOTAGE="+string(off))
				for _, o := range outages {
					cuts++
					if found := recoverScribe(t, f, o); len(found) > 0 {
						t.Logf("found after %d cuts: %v: %v", cuts, o, found[0])
						return
					}
				}
			}
			t.Errorf("no cut has shown that %s is missing, with seeds up to %d", off, seed)
		})
	}
}

// loseScribesPower runs a Scribe on a new disk and returns what is left of that after losses of power.
func loseScribesPower(t *testing.T, b *build, seed uint64, env ...string) (f *feeder, outages []*outage) {
	t.Helper()
	t.Run(fmt.Sprint(seed), func(t *testing.T) { f, outages = cutScribesPower(t, b, seed, env...) })
	if len(outages) == 0 {
		t.FailNow()
	}
	return f, outages
}

func cutScribesPower(t *testing.T, b *build, seed uint64, env ...string) (*feeder, []*outage) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 5))
	c := newCluster(t, b)
	c.env = env
	disk := newPowerDisk(t, c)
	f := newFeeder(seed, "power/a", "power/b", "c")
	scribe, addr := c.scribeOnDisk(c.path("disk"), stores[rng.IntN(2)])
	ctx, cancel := context.WithCancel(context.Background())
	var feeding sync.WaitGroup
	defer feeding.Wait()
	defer cancel()
	feeding.Go(func() { f.run(ctx, addr, 1+rng.IntN(300)) })
	var outages []*outage
	for i := range powerCuts {
		if i == powerCuts/2 { // however slow the machine is, some cuts must find something that was acknowledged
			within(t, 20*time.Second, "the first receipts", func() bool { acked, _ := f.known(); return acked["c"] > 0 })
		}
		time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond)
		if i%3 == 2 {
			scribe.kill()
			scribe.args[len(scribe.args)-1] = stores[rng.IntN(2)]
			scribe.start()
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		}
		o := &outage{loss: powerdisk.Loss(i % 3), store: stores[rng.IntN(2)]}
		o.acked, _ = f.known() // before the instant
		o.image = disk.Image(o.loss, rng)
		_, o.sent = f.known()
		outages = append(outages, o)
	}
	cancel()
	feeding.Wait()
	if acked, _ := f.known(); acked["c"] == 0 {
		t.Fatalf("nothing was acknowledged: %v", f.failed)
	}
	scribe.kill()
	return f, outages
}

// recoverScribe starts a Scribe on what is left and returns what is wrong with its files: before anything is sent
// again, or after all was.
func recoverScribe(t *testing.T, f *feeder, o *outage) (found []*difference) {
	t.Helper()
	t.Run(o.loss.String(), func(t *testing.T) { found = restartScribe(t, f, o) })
	return found
}

func restartScribe(t *testing.T, f *feeder, o *outage) []*difference {
	t.Helper()
	c := newCluster(t, &normal)
	mountOutage(t, c, o.image)
	scribe, addr := c.scribeOnDisk(c.path("disk"), o.store)
	defer scribe.kill()
	if !eventually(15*time.Second, func() bool { return !scribe.running() || scribe.saw("scribe started") }) || !scribe.running() {
		return []*difference{{report: "the Scribe does not start: " + scribe.tail()}}
	}
	f = f.after(o.acked, o.sent)
	root := c.path("disk", "root")
	for _, log := range f.logs {
		want, got := fedLines(log, 1, o.sent[log]), output(t, []string{root}, log)
		if len(got) < len(fedLines(log, 1, o.acked[log])) || !bytes.HasPrefix(want, got) {
			return []*difference{compareBytes(log, want, got)}
		}
	}
	f.finish(t, addr)
	found := f.check(t, root)
	scribe.terminate(stopLimit)
	return found
}

// scribeOnDisk starts a Scribe whose root is on the disk at that folder.
func (c *cluster) scribeOnDisk(folder, store string) (*proc, string) {
	c.t.Helper()
	addr := freeAddr(c.t)
	scribe := c.other("scribe", "scribe", "-host", "127.0.0.1", "-port", portOf(addr), "-size", "30kB", "-path", filepath.Join(folder, "root"), "-store", store)
	scribe.start()
	return scribe, addr
}

// newPowerDisk mounts a disk at the cluster's folder disk.
func newPowerDisk(t *testing.T, c *cluster) *powerdisk.Mounted {
	t.Helper()
	folder, work := c.path("disk"), c.path("work")
	if err := errors.Join(os.Mkdir(folder, 0o750), os.Mkdir(work, 0o750)); err != nil {
		t.Fatal(err)
	}
	disk, err := powerdisk.New(folder, work, powerDiskSize)
	if errors.Is(err, powerdisk.ErrUnable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range c.procs() {
			p.kill()
		}
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// mountOutage mounts a disk that has lost its power at the cluster's folder disk.
func mountOutage(t *testing.T, c *cluster, image []byte) {
	t.Helper()
	folder, file := c.path("disk"), c.path("image")
	err := os.Mkdir(folder, 0o750)
	if err == nil {
		err = writeSparse(file, image)
	}
	if err == nil {
		err = powerdisk.MountImage(file, folder)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range c.procs() {
			p.kill()
		}
		if err := powerdisk.Unmount(folder); err != nil {
			t.Error(err)
		}
	})
}

// writeSparse writes what is not zero.
func writeSparse(file string, image []byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	const piece = 64 << 10
	zero := make([]byte, piece)
	for at := 0; at < len(image); at += piece {
		if part := image[at:min(at+piece, len(image))]; !bytes.Equal(part, zero[:len(part)]) {
			if _, err := f.WriteAt(part, int64(at)); err != nil {
				return err
			}
		}
	}
	return f.Truncate(int64(len(image)))
}
