package mediator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Resume answers with what the Scribe was told to remember, a checkpoint in each part.
func (f *fakeScribe) Resume(request *logscribev1.ResumeRequest, stream logscribev1.Scribe_ResumeServer) error {
	f.pause()
	f.mu.Lock()
	f.resumed = append(f.resumed, request.Identity)
	remembered, refuse := f.remembered, f.refuse
	f.mu.Unlock()
	for _, c := range remembered {
		part := &logscribev1.ResumeResponse{Generation: 3, SinceMs: 5, Checkpoints: []*logscribev1.SourceCheckpoint{c}}
		if err := stream.Send(part); err != nil {
			return err
		}
	}
	return refuse
}

func remembered(log, source string, size int) *logscribev1.SourceCheckpoint {
	return &logscribev1.SourceCheckpoint{Log: log, Source: source, Checkpoint: make([]byte, size)}
}

// resume returns the names of the sources, sorted, and the absent Scribes.
func (h *harness) resume() (sources, absent []string, err error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	stream, err := h.client.Resume(ctx, &logscribev1.ResumeRequest{Identity: "web-7", Spool: producer, NowMs: 1})
	if err != nil {
		h.t.Fatal(err)
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			slices.Sort(sources)
			return sources, absent, nil
		}
		if err != nil {
			return nil, nil, err
		}
		for _, c := range part.Checkpoints {
			sources = append(sources, c.Log+" "+c.Source)
		}
		absent = append(absent, part.Absent...)
	}
}

func (h *harness) wantResume(want ...string) {
	h.t.Helper()
	if got, absent, err := h.resume(); err != nil || !slices.Equal(got, want) || len(absent) > 0 {
		h.t.Errorf("got %q, absent %q, %v, want %q", got, absent, err, want)
	}
}

func (h *harness) wantResumeError(code codes.Code, text string) {
	h.t.Helper()
	if _, _, err := h.resume(); status.Code(err) != code || !strings.Contains(err.Error(), text) {
		h.t.Errorf("got %v, want %s and %q", err, code, text)
	}
}

// startWithScribes runs a mediator that has a memory of the fakes.
func startWithScribes(t *testing.T, cfg Config, fakes ...*fakeScribe) *harness {
	t.Helper()
	h := startMediator(t, cfg)
	h.register(fakes...)
	h = h.restart()
	for _, f := range fakes {
		h.waitUp(f.id, true)
	}
	return h
}

func TestResumeAsksAllScribes(t *testing.T) {
	a, b, c := startScribe(t, "a"), startScribe(t, "b"), startScribe(t, "c")
	a.remembered = []*logscribev1.SourceCheckpoint{remembered("web/access", "x", 10), remembered("web/access", "y", 10)}
	b.remembered = []*logscribev1.SourceCheckpoint{remembered("web/error", "x", 10)}
	h := startWithScribes(t, Config{}, a, b, c)
	h.wantResume("web/access x", "web/access y", "web/error x")
	for _, f := range []*fakeScribe{a, b, c} {
		if !slices.Equal(f.resumed, []string{"web-7"}) {
			t.Errorf("%s was asked for %q", f.id, f.resumed)
		}
	}
}

// TestResumeOfManySources answers with more than fits in a message.
func TestResumeOfManySources(t *testing.T) {
	a, b := startScribe(t, "a"), startScribe(t, "b")
	for i := range 1500 {
		a.remembered = append(a.remembered, remembered("a", fmt.Sprint(i), 8<<10))
		b.remembered = append(b.remembered, remembered("b", fmt.Sprint(i), 8<<10))
	}
	h := startWithScribes(t, Config{}, a, b)
	sources, _, err := h.resume()
	for status.Code(err) == codes.Unavailable { // so much at once may delay a health check: agents ask again
		sources, _, err = h.resume()
	}
	if err != nil || len(sources) != 3000 {
		t.Errorf("%d sources, %v", len(sources), err)
	}
}

func TestResumeWaitsForScribesThatMayComeBack(t *testing.T) {
	var now clock
	a, b := startScribe(t, "a"), startScribe(t, "b")
	a.remembered = []*logscribev1.SourceCheckpoint{remembered("log", "x", 10)}
	h := startWithScribes(t, Config{now: now.now, FailoverAfter: time.Minute}, a, b)
	b.kill()
	h.waitUp("b", false)
	h.wantResumeError(codes.Unavailable, `Scribe "b" at `+b.addr)
	now.advance(59 * time.Second)
	h.wantResumeError(codes.Unavailable, `Scribe "b" at `+b.addr)
	now.advance(2 * time.Second)
	sources, absent, err := h.resume()
	if err != nil || !slices.Equal(sources, []string{"log x"}) || len(absent) != 1 || !strings.Contains(absent[0], `Scribe "b" at `+b.addr) {
		t.Errorf("got %q, absent %q, %v", sources, absent, err)
	}
	a.kill()
	h.waitUp("a", false)
	now.advance(2 * time.Minute)
	h.wantResumeError(codes.Unavailable, errNoScribe.Error())
}

func TestResumeWaitsForEverWithoutFailover(t *testing.T) {
	var now clock
	a, b := startScribe(t, "a"), startScribe(t, "b")
	h := startWithScribes(t, Config{now: now.now, FailoverAfter: -1}, a, b)
	b.kill()
	h.waitUp("b", false)
	now.advance(1000 * time.Hour)
	h.wantResumeError(codes.Unavailable, `Scribe "b" at `+b.addr)
}

func TestResumeNamesTheScribeThatFails(t *testing.T) {
	a, b := startScribe(t, "a"), startScribe(t, "b")
	h := startWithScribes(t, Config{}, a, b)
	b.set(func() {
		b.remembered = []*logscribev1.SourceCheckpoint{remembered("log", "x", 10)}
		b.refuse = status.Error(codes.Internal, "it broke in the middle")
	})
	h.wantResumeError(codes.Internal, `Scribe "b" at `+b.addr+": it broke in the middle")
	b.set(func() { b.refuse = nil })
	b.hang()
	h.wantResumeError(codes.Unavailable, `Scribe "b" at `+b.addr)
	b.wakeUp()
	h.waitUp("b", true)
	h.wantResume("log x")
}

// TestResumeOfAMediatorWithoutMemory waits for Scribes that may not have registered yet.
func TestResumeOfAMediatorWithoutMemory(t *testing.T) {
	var now clock
	h, a := startMediator(t, Config{now: now.now}), startScribe(t, "a")
	h.wantResumeError(codes.Unavailable, "began without a memory")
	now.advance(5 * testInterval)
	h.wantResumeError(codes.Unavailable, errNoScribe.Error())
	h = startMediator(t, Config{now: now.now})
	h.register(a)
	h.wantResumeError(codes.Unavailable, "began without a memory")
	now.advance(5 * testInterval)
	h.wantResume()
}
