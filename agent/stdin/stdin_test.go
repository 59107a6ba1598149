package stdin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSpool keeps the lines that it is given.
type fakeSpool struct {
	mu      sync.Mutex
	lines   []byte
	appends int
	hold    chan struct{} // if not nil, every Append takes a value from it first
	err     error
}

func (f *fakeSpool) Append(ctx context.Context, b spool.Batch) error {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appends++
	for _, d := range b.Drafts {
		sealed := d.Seal(block.Producer{}, 1)
		lines, err := sealed.Lines(nil)
		if err != nil {
			return err
		}
		f.lines = append(f.lines, lines...)
	}
	return f.err
}

func source(r io.Reader, s Spool, maxLine int) *Source {
	return New(Config{Reader: r, Log: "a", Codec: block.S2, MaxLine: maxLine, Spool: s, Logger: slog.New(slog.DiscardHandler)})
}

func TestBytesPassAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input := rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.Just(byte('\n')))).Draw(t, "input")
		var f fakeSpool
		var tee bytes.Buffer
		s := source(iotest.HalfReader(bytes.NewReader(input)), &f, 1<<20)
		s.cfg.Tee = &tee
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := input
		if len(want) > 0 && want[len(want)-1] != '\n' {
			want = append(bytes.Clone(want), '\n')
		}
		if !bytes.Equal(f.lines, want) {
			t.Fatalf("%q became %q", input, f.lines)
		}
		if !bytes.Equal(tee.Bytes(), input) {
			t.Fatalf("the copy of %q is %q", input, tee.Bytes())
		}
	})
}

func TestLargeInputIsBounded(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	input := strings.Repeat(line, 500_000)
	f := fakeSpool{}
	s := source(strings.NewReader(input), &f, 1<<20)
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if string(f.lines) != input {
		t.Error("the lines are not the input")
	}
	if cap(s.pending) > 4*maxPending {
		t.Errorf("%d bytes were pending", cap(s.pending))
	}
}

func TestLongLineComesInPieces(t *testing.T) {
	var f fakeSpool
	if err := source(strings.NewReader("a\n0123456789abc\nb\n"), &f, 5).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := string(f.lines); got != "a\n01234\n56789\nabc\nb\n" {
		t.Errorf("got %q", got)
	}
}

// TestLineThatHasComeIsNotHeldBack writes a line to a pipe that stays open.
func TestLineThatHasComeIsNotHeldBack(t *testing.T) {
	r, w := io.Pipe()
	f := fakeSpool{hold: make(chan struct{})}
	done := make(chan error)
	go func() { done <- source(r, &f, 100).Run(t.Context()) }()
	io.WriteString(w, "1\n2")
	f.hold <- struct{}{} // the first line is on its way
	io.WriteString(w, "\n")
	f.hold <- struct{}{}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if string(f.lines) != "1\n2\n" || f.appends != 2 {
		t.Errorf("got %q in %d appends", f.lines, f.appends)
	}
}

func TestStopKeepsWhatWasRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var f fakeSpool
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- source(r, &f, 100).Run(ctx) }()
	cancel()
	io.WriteString(w, "last words\nunended") // the application stops a little later
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if string(f.lines) != "last words\nunended\n" {
		t.Errorf("got %q", f.lines)
	}
	w.Close() // ends the read
	r.Close()
}

func TestErrorsAreReturned(t *testing.T) {
	broken := errors.New("broken")
	if err := source(iotest.ErrReader(broken), &fakeSpool{}, 100).Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("a reader's error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := source(strings.NewReader("1\n"), &fakeSpool{err: broken}, 100).Run(ctx); !errors.Is(err, broken) {
		t.Errorf("the spool's error after the end: %v", err)
	}
}

// TestUncertainLinesAreNotSpooledAgain stops the source while the disk fails in the middle of a transaction.
func TestUncertainLinesAreNotSpooledAgain(t *testing.T) {
	f := &uncertainSpool{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := source(strings.NewReader("1\n"), f, 100).Run(ctx); !errors.Is(err, spool.ErrUncertain) || f.appends != 1 {
		t.Errorf("%d appends, %v", f.appends, err)
	}
}

// uncertainSpool never knows whether it has stored a batch.
type uncertainSpool struct{ appends int }

func (f *uncertainSpool) Append(ctx context.Context, b spool.Batch) error {
	f.appends++
	<-ctx.Done()
	return spool.ErrUncertain
}

func BenchmarkRun(b *testing.B) {
	input := bytes.Repeat([]byte(strings.Repeat("x", 148)+"\n"), 10_000)
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		s := source(bytes.NewReader(input), discard{}, 1<<20)
		if err := s.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Append(context.Context, spool.Batch) error { return nil }
