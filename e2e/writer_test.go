package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// writer is an application that logs to a file. It appends in pieces that end anywhere, and rotates the file; see
// rotate_test.go.
type writer struct {
	t        testing.TB
	path     string
	tag      string // begins each line
	numbered bool   // each line begins with its number
	corpus   *corpus
	rng      *rand.Rand
	pause    time.Duration // at most, between two pieces
	minFile  int           // size in bytes from which the file may be rotated
	rotation rotation
	copies   bool // rotates by copying and truncating, not by renaming
	packs    bool // compresses rotated files
	hasty    bool // does so at once, whoever has read them
	deletes  bool // deletes rotated files that were delivered
	// delivered says how many bytes have left the files for good; nil if that is not known.
	delivered func() int64
	// down runs the function while the agent is down, if it is; nil if that is not known.
	down func(func()) bool

	file    *os.File
	size    int
	limit   int // at which the file is rotated
	lines   int
	start   int64     // the bytes written in all when it was empty
	kept    []rotated // oldest first
	stamp   string
	tally   rotations
	pending []byte

	mu      sync.Mutex
	written []byte // guarded by mu
}

func newWriter(t testing.TB, path string, seed uint64) *writer {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	return &writer{
		t: t, path: path, corpus: realistic(), rng: rand.New(rand.NewPCG(seed, 7)),
		pause: 20 * time.Millisecond, minFile: 20_000,
	}
}

// begin makes the first file, with a few lines.
func (w *writer) begin() {
	w.t.Helper()
	err := w.create()
	if err == nil {
		w.fill()
		err = w.flush(len(w.pending))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// run writes on until ctx ends, and then ends its last line.
func (w *writer) run(ctx context.Context) {
	defer w.file.Close()
	if err := w.write(ctx); err != nil {
		w.t.Errorf("writer of %s: %v", w.path, err)
	}
}

func (w *writer) write(ctx context.Context) error {
	for ctx.Err() == nil {
		if w.size >= w.limit {
			if err := w.rotate(ctx); err != nil {
				return err
			}
		}
		w.fill()
		if err := w.flush(1 + w.rng.IntN(len(w.pending))); err != nil {
			return err
		}
		w.rest(ctx)
	}
	return w.flush(len(w.pending))
}

// rest pauses, mostly.
func (w *writer) rest(ctx context.Context) {
	if w.pause == 0 || w.rng.IntN(4) == 0 {
		return
	}
	select {
	case <-time.After(rand.N(w.pause)):
	case <-ctx.Done():
	}
}

// fill makes sure that something is pending: now and then a lot.
func (w *writer) fill() {
	n := 1 + w.rng.IntN(10)
	if w.rng.IntN(50) == 0 {
		n = 200
	}
	for ; n > 0 || len(w.pending) == 0; n-- {
		w.pending = append(w.pending, w.tag...)
		if w.numbered {
			w.pending = fmt.Appendf(w.pending, "%08d ", w.lines)
		}
		w.pending = append(w.pending, w.corpus.line(w.rng)...)
		w.lines++
	}
}

// flush appends the first n pending bytes.
func (w *writer) flush(n int) error {
	w.mu.Lock()
	w.written = append(w.written, w.pending[:n]...)
	w.mu.Unlock()
	if _, err := w.file.Write(w.pending[:n]); err != nil {
		return err
	}
	w.size += n
	w.pending = append(w.pending[:0], w.pending[n:]...)
	return nil
}

// bytes returns what was written so far.
func (w *writer) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written[:len(w.written):len(w.written)]
}
