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
