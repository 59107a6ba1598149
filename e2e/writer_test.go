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

// rotation is how a writer names the files that it has filled.
type rotation int

const (
	shifted rotation = iota // app.log.1 is the newest, and each rotation renames all
	dated                   // app.log-20060102T150405.000000
)

// rotated is a file that a writer has filled.
type rotated struct {
	name string // where it is, unless files are shifted
	end  int64  // the bytes written in all when it was full
}

// writer is an application that logs to a file. It appends in pieces that end anywhere, and rotates by renaming. Now and
// then it deletes the oldest file, so that its inode becomes that of another one.
type writer struct {
	t        testing.TB
	path     string
	rotation rotation
	tag      string // begins each line
	numbered bool   // each line begins with its number
	corpus   *corpus
	rng      *rand.Rand
	pause    time.Duration // at most, between two pieces
	minFile  int           // size in bytes from which the file may be rotated
	// delivered says how many bytes have left the files for good; nil keeps them all.
	delivered func() int64

	file      *os.File
	size      int
	limit     int // at which the file is rotated
	lines     int
	rotations int
	kept      []rotated // oldest first
	stamp     string
	pending   []byte

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

func (w *writer) create() (err error) {
	w.file, err = os.OpenFile(w.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	w.size, w.limit = 0, w.minFile+w.rng.IntN(20*w.minFile)
	return err
}

// rotate renames the file, as a rotating program does: that may go on writing to it for a moment.
func (w *writer) rotate(ctx context.Context) error {
	w.rotations++
	if err := w.deleteOldest(); err != nil {
		return err
	}
	name, err := w.renameAway()
	if err != nil {
		return err
	}
	for range w.rng.IntN(3) {
		w.fill()
		if err := w.flush(w.rng.IntN(len(w.pending))); err != nil {
			return err
		}
		w.rest(ctx)
	}
	if err := w.flush(len(w.pending)); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	w.kept = append(w.kept, rotated{name: name, end: int64(len(w.bytes()))})
	w.rest(ctx)
	return w.create()
}

// renameAway moves the present file, and returns where it is unless files are shifted.
func (w *writer) renameAway() (name string, err error) {
	if w.rotation == dated {
		for stamp := ""; stamp <= w.stamp; {
			stamp = time.Now().UTC().Format("20060102T150405.000000")
			name = w.path + "-" + stamp
		}
		w.stamp = name[len(w.path)+1:]
		return name, os.Rename(w.path, name)
	}
	for i := len(w.kept); i > 0; i-- {
		if err := os.Rename(w.shiftedTo(i), w.shiftedTo(i+1)); err != nil {
			return "", err
		}
	}
	return "", os.Rename(w.path, w.shiftedTo(1))
}

func (w *writer) shiftedTo(n int) string { return fmt.Sprintf("%s.%d", w.path, n) }

// deleteOldest deletes the oldest rotated file, mostly, if all of it is delivered.
func (w *writer) deleteOldest() error {
	if w.delivered == nil || len(w.kept) == 0 || w.rng.IntN(4) == 0 || w.kept[0].end > w.delivered() {
		return nil
	}
	name := w.kept[0].name
	if w.rotation == shifted {
		name = w.shiftedTo(len(w.kept))
	}
	w.kept = w.kept[1:]
	return os.Remove(name)
}

// bytes returns what was written so far.
func (w *writer) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written[:len(w.written):len(w.written)]
}
