package tail

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/race"
	"github.com/logscribe/logscribe/spool"
)

func TestMain(m *testing.M) {
	// The command line may say other numbers. Tests wait most of their time, so that more of them run at once than there are
	// processors.
	for name, value := range map[string]int{"rapid.checks": 25, "test.parallel": 3 * runtime.NumCPU()} {
		if err := flag.Set(name, strconv.Itoa(value)); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// fakeSpool keeps what was appended, to compare it with what was written. It survives the sources that write to it. It
// stores all in a real spool first if it has one, and the checkpoints are those that are stored there; by itself it is
// for tests that let appends fail or wait, and for those that look at a source alone.
type fakeSpool struct {
	real *spool.Spool // nil if all is in memory
	path string       // of the real one

	mu          sync.Mutex
	logs        map[string][]byte
	checkpoints map[string][]byte
	reached     []reached    // by the drafts, in order
	losses      []spool.Loss // one entry for each file and reason
	appends     int
	last        int           // bytes of lines in the last one
	fail        int           // Appends that fail from now on
	blocked     chan struct{} // if not nil, Append waits until it is closed
	full        bool          // batches with lines wait for blocked alone, as in a spool that is full
	room        int           // batches with lines that are stored before it is full
	mortal      bool          // it stores lives more batches, and then nothing: to it, its source is killed
	lives       int
	lottery     bool // an Append whose context ends is stored or not, by chance; and they take time
	appended    func()
}

// reached is what a draft said of itself: behind its lines, of which its log had so many bytes by then, the source is at
// the checkpoint.
type reached struct {
	log        string
	bytes      int
	checkpoint block.Checkpoint
}

func newSpool() *fakeSpool {
	return &fakeSpool{logs: map[string][]byte{}, checkpoints: map[string][]byte{}}
}

var errSpool = errors.New("spool is broken for a test")

func (s *fakeSpool) Append(ctx context.Context, b spool.Batch) error {
	s.mu.Lock()
	blocked, lottery := s.blocked, s.lottery
	if s.full && len(b.Drafts) == 0 {
		blocked = nil
	}
	if blocked != nil && s.room > 0 {
		s.room--
		blocked = nil
	}
	s.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if lottery {
		select {
		case <-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond):
		case <-ctx.Done():
			if rand.IntN(2) == 0 {
				return ctx.Err()
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mortal && s.lives == 0 {
		return errSpool
	}
	s.lives--
	if s.fail > 0 {
		s.fail--
		return errSpool
	}
	if s.real != nil {
		if err := s.real.Append(ctx, b); err != nil {
			return err
		}
	}
	s.appends++
	s.last = 0
	for _, d := range b.Drafts {
		sealed := d.Seal(block.Producer{}, 1)
		if err := sealed.Verify(); err != nil {
			panic(err)
		}
		raw, err := sealed.Lines(nil)
		if err != nil {
			panic(err)
		}
		s.logs[d.Log] = append(s.logs[d.Log], raw...)
		s.last += len(raw)
		s.reached = append(s.reached, reached{d.Log, len(s.logs[d.Log]), d.Reached})
	}
	for _, c := range b.Checkpoints {
		if c.Value == nil {
			delete(s.checkpoints, c.Key)
		} else {
			s.checkpoints[c.Key] = bytes.Clone(c.Value)
		}
	}
	for _, l := range b.Losses {
		s.lose(l)
	}
	if s.appended != nil {
		s.appended()
	}
	return nil
}

// lose adds to the list of losses.
func (s *fakeSpool) lose(l spool.Loss) {
	i := slices.IndexFunc(s.losses, func(o spool.Loss) bool { return o.Log == l.Log && o.File == l.File && o.Reason == l.Reason })
	if i < 0 {
		i, s.losses = len(s.losses), append(s.losses, spool.Loss{Log: l.Log, File: l.File, Reason: l.Reason})
	}
	s.losses[i].Lines += l.Lines
	s.losses[i].Bytes += l.Bytes
	s.losses[i].Times++
}

// all returns the list of losses.
func (s *fakeSpool) all() []spool.Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.losses)
}

// lost returns what is stored of lost lines, and their bytes.
func (s *fakeSpool) lost() (losses []spool.Loss, bytes int64) {
	for _, l := range s.all() {
		if l.Reason.Lost() {
			losses, bytes = append(losses, l), bytes+int64(l.Bytes)
		}
	}
	return losses, bytes
}

func (s *fakeSpool) EachCheckpoint(prefix string, visit func(key string, value []byte) error) error {
	all, err := s.Checkpoints(prefix)
	if err != nil {
		return err
	}
	for key, value := range all {
		if err := visit(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSpool) Checkpoints(prefix string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.real != nil {
		return s.real.Checkpoints(prefix)
	}
	found := map[string][]byte{}
	for k, v := range s.checkpoints {
		if strings.HasPrefix(k, prefix) {
			found[k] = v
		}
	}
	return found, nil
}

// open opens the real spool anew, if there is one.
func (s *fakeSpool) open(t tb) {
	t.Helper()
	if s.path == "" {
		return
	}
	s.close(t)
	real, err := spool.Open(s.path, spool.Options{Eager: true}) // it gets one batch at a time
	if err != nil {
		t.Fatal(err)
	}
	s.do(func() { s.real = real })
}

func (s *fakeSpool) close(t tb) {
	if s.real == nil {
		return
	}
	if err := s.real.Close(); err != nil {
		t.Errorf("close the spool: %v", err)
	}
	s.do(func() { s.real = nil })
}

// stored returns all lines of a log that the real spool holds.
func (s *fakeSpool) stored(t tb, log string) string {
	t.Helper()
	blocks, _, err := s.real.Read(nil, nil, log, 1, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for i := range blocks {
		raw, err := blocks[i].Lines(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw...)
	}
	return string(all)
}

func (s *fakeSpool) log(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.logs[name])
}

// fullSpool has the spool take checkpoints alone, as one that is full, until the function is called that it returns.
func (f *fixture) fullSpool() (empty func()) {
	full := make(chan struct{})
	f.spool.do(func() { f.spool.blocked, f.spool.full = full, true })
	return func() {
		f.spool.do(func() { f.spool.blocked = nil })
		close(full)
	}
}

func (s *fakeSpool) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// tb is what a fixture needs of *testing.T, *testing.B and *rapid.T.
type tb interface {
	rapid.TB
	Cleanup(func())
}

// fixture is a folder with files, a spool, and the source that is running at the moment.
type fixture struct {
	t      tb
	dir    string
	spool  *fakeSpool
	cfg    Config
	source *Source
	stop   func()
	logged *syncBuffer
	// counted is what the last source that was stopped did to lines.
	counted map[string]line.Counts

	patience time.Duration
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newFixture(t testing.TB, globs ...string) *fixture {
	t.Helper()
	return newFixtureIn(t, t.TempDir(), globs...)
}

func newFixtureIn(t tb, dir string, globs ...string) *fixture {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, dir: dir, spool: newSpool(), logged: &syncBuffer{}, patience: 20 * time.Second}
	if race.Enabled {
		f.patience *= 4
	}
	for i, g := range globs {
		globs[i] = filepath.Join(dir, g)
	}
	f.cfg = Config{
		Sections: []Section{{Paths: globs, Log: "{stem}", Codec: block.S2}}, Host: "web-7", Spool: f.spool,
		Logger:       slog.New(slog.NewTextHandler(f.logged, nil)),
		scanFactor:   1, // a scan takes long where the machine is busy, and tests wait for the next one
		PollInterval: 2 * time.Millisecond, ScanInterval: 10 * time.Millisecond, Grace: time.Minute, ForgetAfter: time.Hour,
	}
	t.Cleanup(func() {
		f.down()
		f.spool.close(t)
		if f.spool.path != "" {
			os.RemoveAll(filepath.Dir(f.spool.path)) // not before: an open spool puts its file back
		}
		if t.Failed() {
			t.Logf("the source said:\n%s", f.logged.String())
		}
	})
	return f
}

// real gives the fixture a spool in a file, which is opened anew with each start of the source, and is compared in the end.
func (f *fixture) real() *fixture {
	f.t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tail-spool-") // in memory, where syncs cost nothing
	if err != nil {
		dir, err = os.MkdirTemp("", "tail-spool-")
	}
	f.check(err)
	f.spool.path = filepath.Join(dir, "spool.db")
	f.spool.open(f.t)
	return f
}

// blind takes the watcher away, so that all rests on polls and scans.
func (f *fixture) blind() *fixture {
	f.cfg.watch = func() (*watcher, error) { return nil, errors.New("no inotify instance left") }
	return f
}

func (f *fixture) up() {
	f.t.Helper()
	if f.source != nil {
		f.t.Fatal("the source is up already")
	}
	f.spool.open(f.t)
	s, err := New(f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	f.source = s
	f.stop = func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("Run: %v", err)
		}
	}
}

func (f *fixture) down() {
	if f.source != nil {
		f.stop()
		f.counted = f.source.Filtered()
		f.source = nil
		if f.spool.real != nil {
			for log, want := range f.spool.logs {
				if got := f.spool.stored(f.t, log); got != string(want[len(want)-len(got):]) {
					f.t.Errorf("log %q: the spool holds other lines than it was given", log)
				}
			}
		}
	}
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// write appends to the file, which it creates.
func (f *fixture) write(name, text string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	f.check(err)
	_, err = io.WriteString(file, text)
	f.check(err)
	f.check(file.Close())
}

func (f *fixture) rename(from, to string) {
	f.t.Helper()
	f.check(os.Rename(f.path(from), f.path(to)))
}

func (f *fixture) remove(name string) {
	f.t.Helper()
	f.check(os.Remove(f.path(name)))
}

// wants waits until the log is exactly want.
func (f *fixture) wants(log, want string) {
	f.t.Helper()
	if !f.eventually(func() bool { return f.spool.log(log) == want }) {
		f.t.Fatalf("log %q is wrong\n got %s\nwant %s", log, excerpt(f.spool.log(log), want), excerpt(want, f.spool.log(log)))
	}
}

// excerpt shows s from where it differs from other.
func excerpt(s, other string) string {
	i := 0
	for i < len(s) && i < len(other) && s[i] == other[i] {
		i++
	}
	from := max(0, i-40)
	return fmt.Sprintf("%d bytes, from %d on: %.200q", len(s), from, s[from:])
}

func (f *fixture) eventually(ok func() bool) bool {
	return eventually(f.patience, ok)
}

func eventually(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// scans waits until n more scans were applied, so that what is not there by then was not overlooked by chance.
func (f *fixture) scans(n uint64) {
	f.t.Helper()
	from := f.source.scanned.Load()
	if !f.eventually(func() bool { return f.source.scanned.Load() >= from+n }) {
		f.t.Fatal("no scans any more")
	}
}

func (f *fixture) checkpoints() []checkpoint {
	f.t.Helper()
	stored, err := f.spool.Checkpoints(keyPrefix)
	f.check(err)
	var all []checkpoint
	for k, v := range stored {
		if k != startedKey && k != resumedKey {
			c, err := decodeCheckpoint(k, v)
			f.check(err)
			all = append(all, c)
		}
	}
	return all
}

func lines(prefix string, from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%s line %d\n", prefix, i)
	}
	return b.String()
}
