package mediator

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/proto/legacy"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestLog(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	h.register(f)
	old := legacy.NewLogScribeClient(h.conn)
	if _, err := h.client.Log(t.Context(), &logscribev1.LogRequest{Log: "web/access", Lines: []byte("one\ntwo\n"), Epoch: 99}); err != nil {
		t.Error(err)
	}
	for _, r := range []*legacy.LogRequest{
		{Filename: "access", Path: "web", Line: "three"},
		{Filename: "access", Path: "web", Line: "four\n"},
		{Filename: "root", Line: ""},
		{Filename: "deep", Path: "a/b", Line: "x"},
	} {
		if response, err := old.Log(t.Context(), r); err != nil || response.Res != "true" {
			t.Errorf("%v: %v, %v", r, response, err)
		}
	}
	want := map[string][]string{"web/access": {"one\ntwo\n", "three", "four\n"}, "root": {""}, "a/b/deep": {"x"}} // the Scribe adds newlines
	f.mu.Lock()
	defer f.mu.Unlock()
	if !reflect.DeepEqual(f.lines, want) {
		t.Errorf("the Scribe got %q", f.lines)
	}
}

func TestLogErrors(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	old := legacy.NewLogScribeClient(h.conn)
	check := func(name, dir, file string, want codes.Code, text string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := h.client.Log(ctx, &logscribev1.LogRequest{Log: strings.TrimPrefix(dir+"/"+file, "/"), Lines: []byte("x")})
		if status.Code(err) != want || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %s and %q", name, err, want, text)
		}
		response, err := old.Log(ctx, &legacy.LogRequest{Path: dir, Filename: file, Line: "x"})
		if status.Code(err) != want || !strings.Contains(err.Error(), text) || response.GetRes() != "" {
			t.Errorf("%s, original API: %v, %v", name, response, err)
		}
	}
	check("no name", "", "", codes.InvalidArgument, "empty")
	check("a bad name", "..", "passwd", codes.InvalidArgument, `".."`)
	check("no Scribe", "web", "access", codes.Unavailable, "no Scribe is up")
	h.register(f)
	f.set(func() { f.refuse = status.Error(codes.ResourceExhausted, "the disk is full") })
	check("the Scribe refuses", "web", "access", codes.ResourceExhausted, `Scribe "a" at `+f.addr+": the disk is full")
	f.set(func() { f.refuse = status.Error(codes.FailedPrecondition, "not mine") })
	check("the Scribe refuses without an epoch", "web", "access", codes.FailedPrecondition, "not mine")
	f.set(func() { f.refuse = nil })
	f.hang()
	check("the Scribe hangs", "web", "access", codes.Unavailable, "is down: health check")
	f.kill()
	check("the Scribe is gone", "web", "access", codes.Unavailable, `Scribe "a"`)
}

func TestLogTakesItsDeadlineAlong(t *testing.T) {
	h, f := startMediator(t, Config{HealthInterval: time.Hour}), startScribe(t, "a")
	h.register(f)
	h.waitUp("a", true)
	f.hang()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := h.client.Log(ctx, &logscribev1.LogRequest{Log: "web/access", Lines: []byte("x")}); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}
