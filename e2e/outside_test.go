package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cutAt is the size that a file is cut to.
const cutAt = 100

// TestOthersHandsUnderLoad renames, deletes, replaces, cuts and writes to a Scribe's active file again and again while lines
// come. Soon the lines must stand under the log's name again, each behind the one before.
func TestOthersHandsUnderLoad(t *testing.T) {
	seed := newSeed()
	t.Logf("seed %d: -chaos.seed=%[1]d", seed)
	rng := rand.New(rand.NewPCG(seed, 5))
	const log = "web/access"
	c := newCluster(t, &normal)
	addr, root := c.addScribe("", "-size", "-1B")
	active := filepath.Join(root, log+".log")
	f := newFeeder(seed, log)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.run(ctx, addr, 200) }()
	within(t, 20*time.Second, "lines arrive", func() bool { acked, _ := f.known(); return acked[log] > 1000 })

	aside := 0
	hands := map[string]func() error{
		"renamed":  func() error { aside++; return os.Rename(active, fmt.Sprint(active, ".", aside)) },
		"removed":  func() error { return os.Remove(active) },
		"replaced": func() error { return errors.Join(os.Remove(active), os.WriteFile(active, []byte("foreign\n"), 0o640)) },
		"cut":      func() error { return os.Truncate(active, cutAt) },
		"emptied":  func() error { return os.Truncate(active, 0) }, // as copytruncate does
		"written to": func() error {
			file, err := os.OpenFile(active, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteString("foreign")
			return errors.Join(err, file.Close())
		},
	}
	slowest := time.Duration(0)
	for range 4 {
		for name, hand := range hands {
			before, _ := f.known()
			began := time.Now()
			for err := hand(); err != nil; err = hand() { // it may just be opened anew
				if time.Since(began) > 5*time.Second {
					t.Fatalf("%s: %v", name, err)
				}
			}
			within(t, 10*time.Second, "lines stand in the file after it was "+name, func() bool {
				acked, _ := f.known()
				text, err := os.ReadFile(active)
				return err == nil && acked[log] > before[log] && bytes.Contains(text, []byte(fed(log, acked[log])))
			})
			slowest = max(slowest, time.Since(began))
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond) // so that it meets a stream at any moment
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	f.finish(t, addr)
	t.Logf("lines were there again after %v at most", slowest.Round(time.Millisecond))
	expectInOrder(t, log, active)
	if !c.scribes[0].saw("something else has") {
		t.Error("the Scribe has not said it")
	}
	c.stopAll(stopLimit)
}

// expectInOrder expects the file to hold lines of the feeder up to its last one, of which each follows on the one before,
// but where others have cut something off.
func expectInOrder(t *testing.T, log, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last, lines, end := uint64(0), 0, 0
	for line := range strings.Lines(string(text)) {
		end += len(line)
		var n uint64
		if _, err := fmt.Sscanf(line, log+" %d", &n); err != nil || line != fed(log, n) {
			if lines == 0 || end == cutAt+len("\n") {
				continue // what others have put there, or left of a line
			}
			t.Fatalf("the file holds %q behind line %d", line, last)
		}
		if n <= last {
			t.Fatalf("line %d stands behind line %d", n, last)
		}
		last, lines = n, lines+1
	}
	if lines < 100 {
		t.Errorf("only %d lines are there", lines)
	}
}
