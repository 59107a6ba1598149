package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/powerdisk"
	"github.com/logscribe/logscribe/internal/sabotage"
	"github.com/logscribe/logscribe/spool"
)

// TestPowerLossSpool cuts the power of the disk of a spool that is written to. After each cut every line must be in it that
// Append had stored and that was not settled, and its checkpoint must be that of its last line.
func TestPowerLossSpool(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	rounds := 1
	if *long {
		rounds = powerRounds
	}
	seed := newSeed()
	for i := range rounds {
		if wrong := cutSpoolsPower(t, seed+uint64(i), os.Args[0]); wrong != "" {
			t.Error(wrong)
		}
	}
}

// TestPowerLossSpoolFindsSabotage proves that the test above can fail.
func TestPowerLossSpoolFindsSabotage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("not with -short")
	}
	if !inOwnMounts(t) {
		return
	}
	bin := sabotaged.testBin(t)
	seed := newSeed()
	for range 10 {
		if wrong := cutSpoolsPower(t, seed, bin, "LOGSCRIBE_SABOTAGE="+string(sabotage.BoltSync)); wrong != "" {
			t.Log("found: ", wrong)
			return
		}
		seed++
	}
	t.Errorf("no cut has shown that the spool is not synced, with seeds up to %d", seed)
}

// cutSpoolsPower has the program write to a spool on a new disk whose power it cuts now and then, and says what is wrong
// with what is left, "" if nothing is.
func cutSpoolsPower(t *testing.T, seed uint64, bin string, env ...string) (wrong string) {
	t.Helper()
	t.Logf("-chaos.seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 6))
	type cut struct {
		loss   powerdisk.Loss
		image  []byte
		stored uint64
	}
	var cuts []cut
	t.Run("Cut", func(t *testing.T) {
		c := newCluster(t, &normal)
		disk := newPowerDisk(t, c)
		stored := startSpoolWriter(t, bin, c.path("disk", "spool.db"), env)
		for i := range powerCuts {
			pause := 100
			if i < powerCuts/2 { // while the spool is made
				pause = 10
			}
			time.Sleep(time.Duration(rng.IntN(pause)) * time.Millisecond)
			before := stored.Load()
			cuts = append(cuts, cut{powerdisk.Loss(i % 3), disk.Image(powerdisk.Loss(i%3), rng), before})
		}
	})
	for _, cut := range cuts {
		t.Run(cut.loss.String(), func(t *testing.T) {
			c := newCluster(t, &normal)
			mountOutage(t, c, cut.image)
			if err := checkSpool(c.path("disk", "spool.db"), cut.stored); err != nil {
				wrong = fmt.Sprintf("seed %d: power lost (%v) with %d lines stored: %v", seed, cut.loss, cut.stored, err)
			}
		})
	}
	return wrong
}

// startSpoolWriter starts the program as a writer of the spool, and returns the number of the last line that it has
// stored. It is killed at the end of the test.
func startSpoolWriter(t *testing.T, bin, path string, env []string) *atomic.Uint64 {
	t.Helper()
	cmd := exec.Command(bin)
	cmd.Env = append(append(os.Environ(), env...), spoolWriterEnv+"="+path)
	cmd.SysProcAttr = attributes()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var stored atomic.Uint64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				stored.Store(n)
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		_ = cmd.Wait() // it was killed
	})
	return &stored
}

// checkSpool returns an error unless the spool holds all lines that were stored and not settled.
func checkSpool(path string, stored uint64) error {
	s, err := spool.Open(path, spool.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	q := s.Queue(spoolLog)
	if q.Next-1 < stored || stored > spoolBehind && q.Oldest > q.Next-spoolBehind {
		return fmt.Errorf("%s holds the lines %d to %d", filepath.Base(path), q.Oldest, q.Next-1)
	}
	marks, err := s.Checkpoints(spoolMark)
	if err != nil {
		return err
	}
	if mark := string(marks[spoolMark]); q.Next > 1 && mark != fmt.Sprint(q.Next-1) {
		return fmt.Errorf("the checkpoint stands at line %q, the last line is %d", mark, q.Next-1)
	}
	var lines []byte
	for next := q.Oldest; next < q.Next; {
		blocks, _, err := s.Read(nil, nil, spoolLog, next, 1<<20)
		if err != nil {
			return err
		}
		for _, b := range blocks {
			if lines, err = b.Lines(lines[:0]); err != nil {
				return err
			}
			if d := compareBytes(spoolLog, fedLines(spoolLog, b.First, b.Last()), lines); d != nil {
				return fmt.Errorf("block of lines %d to %d: %v", b.First, b.Last(), d)
			}
			next = b.Last() + 1
		}
	}
	return nil
}
