package stdin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/spool"
)

func withRules(t *testing.T, r io.Reader, s Spool, rules line.Rules) *Source {
	t.Helper()
	p, err := line.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Reader: r, Log: "a", Lines: p, Host: "h", MaxLine: 100, Spool: s, Logger: slog.New(slog.DiscardHandler),
	})
}

func TestLinesAreChosenAndChanged(t *testing.T) {
	var f fakeSpool
	s := withRules(t, strings.NewReader("1 DEBUG\n2 a\n at b\n3 c"), &f, line.Rules{
		Exclude: []string{"DEBUG"}, Multiline: line.Multiline{Start: `^\d`}, Prefix: "{host}: ",
	})
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := string(f.lines); got != "h: 2 a\n at b\nh: 3 c\n" {
		t.Errorf("got %q", got)
	}
	if got := s.Filtered(); got != (line.Counts{Excluded: 1}) {
		t.Errorf("counted %+v", got)
	}
}

// TestEventTimesOut counts from when the stream last brought something.
func TestEventTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		var f fakeSpool
		done := make(chan error)
		s := withRules(t, r, &f, line.Rules{Multiline: line.Multiline{Start: `^\d`}, Prefix: "> "})
		go func() { done <- s.Run(t.Context()) }()
		got := func() string { f.mu.Lock(); defer f.mu.Unlock(); return string(f.lines) }
		for _, text := range []string{"1 a\n", " b\n", " c\nunfin"} {
			io.WriteString(w, text)
			time.Sleep(4 * time.Second)
		}
		if got() != "" {
			t.Errorf("%q was delivered too early", got())
		}
		time.Sleep(2 * time.Second)
		if got() != "> 1 a\n b\n c\n" {
			t.Errorf("got %q", got())
		}
		io.WriteString(w, "ished\n")
		w.Close()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got() != "> 1 a\n b\n c\n> unfinished\n" {
			t.Errorf("got %q", got())
		}
	})
}

// fullSpool has no room for lines.
type fullSpool struct{ losses []spool.Loss }

func (f *fullSpool) Append(ctx context.Context, b spool.Batch) error {
	if len(b.Drafts) > 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	f.losses = append(f.losses, b.Losses...)
	return nil
}

// TestStopCountsWhatItCantStore: lines that were read and that the spool has no room for are in the list of losses.
func TestStopCountsWhatItCantStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		var f fullSpool
		s := source(r, &f, 1<<20)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		write := func(text string) {
			if _, err := io.WriteString(w, text); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		write("one\ntwo\nthr") // Append waits with this
		write("ee\nfour\nfi")  // what was read meanwhile
		stop()
		time.Sleep(stopGrace + stopGrace/2)
		write("ve\nsix\n") // in the last moments
		left := make(chan error)
		go func() {
			_, err := io.WriteString(w, "seven\n")
			left <- err
		}()
		if err := <-ended; err == nil {
			t.Error("no error")
		}
		want := spool.Loss{Log: "a", File: Name, Reason: spool.Stopped, Lines: 6, Bytes: 28}
		if len(f.losses) != 1 || f.losses[0] != want {
			t.Errorf("%+v", f.losses)
		}
		r.Close()
		if err := <-left; err == nil {
			t.Error("the pipe was read on")
		}
	})
}

// TestLongLinesAreListed: each with the batch that it comes in.
func TestLongLinesAreListed(t *testing.T) {
	var f listing
	s := source(strings.NewReader("short\n"+strings.Repeat("x", 25)+"\n"+strings.Repeat("y", 11)+"\nshort\n"), &f, 10)
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sum := spool.Sums(f.losses)[spool.InPieces]; sum.Lines != 2 || f.losses[0].File != Name || string(f.lines) == "" {
		t.Errorf("%+v", f.losses)
	}
}

// listing keeps losses too.
type listing struct {
	fakeSpool
	losses []spool.Loss
}

func (f *listing) Append(ctx context.Context, b spool.Batch) error {
	f.losses = append(f.losses, b.Losses...)
	return f.fakeSpool.Append(ctx, b)
}

// TestStopAfterAnErrorRepeatsNothing: the lines of one read are more than a batch, and the second one fails until the
// source is stopped.
func TestStopAfterAnErrorRepeatsNothing(t *testing.T) {
	const n = 10_000
	rules := line.Rules{Prefix: strings.Repeat("p", 900)}
	ctx, cancel := context.WithCancel(t.Context())
	f := &secondFails{cancel: cancel}
	s := withRules(t, strings.NewReader(strings.Repeat("\n", n)), f, rules)
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(f.lines), "\n"); got != n {
		t.Errorf("%d lines, want %d", got, n)
	}
	if f.largest > 2*maxPending {
		t.Errorf("a batch of %d bytes", f.largest)
	}
}

// secondFails fails all but the first Append until a source that is stopped begins anew.
type secondFails struct {
	fakeSpool
	cancel  func()
	stopped bool
	largest int
}

func (f *secondFails) Append(ctx context.Context, b spool.Batch) error {
	size := 0
	for _, d := range b.Drafts {
		size += int(d.RawSize)
	}
	f.largest = max(f.largest, size)
	if f.appends == 1 && !f.stopped {
		f.cancel()
		<-ctx.Done()
		f.stopped = true
		return errors.New("broken")
	}
	return f.fakeSpool.Append(ctx, b)
}
