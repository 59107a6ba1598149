package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

// forgetful is a Scribe that answers Resume as it is told, and takes streams without giving receipts.
type forgetful struct {
	logscribev1.UnimplementedScribeServer
	mu      sync.Mutex // guards what follows
	answer  func(n int, stream grpc.ServerStreamingServer[logscribev1.ResumeResponse]) error
	asked   []*logscribev1.ResumeRequest
	hellos  []*logscribev1.Hello
	sources []string // of the blocks that came
}

func (f *forgetful) Resume(request *logscribev1.ResumeRequest, stream grpc.ServerStreamingServer[logscribev1.ResumeResponse]) error {
	f.mu.Lock()
	f.asked = append(f.asked, request)
	n, answer := len(f.asked), f.answer
	f.mu.Unlock()
	return answer(n, stream)
}

func (f *forgetful) Append(stream grpc.ClientStreamingServer[logscribev1.AppendRequest, logscribev1.AppendResponse]) error {
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&logscribev1.AppendResponse{})
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		if h := m.GetHello(); h != nil {
			f.hellos = append(f.hellos, h)
		}
		if b := m.GetBlock(); b != nil {
			f.sources = append(f.sources, b.Source)
		}
		f.mu.Unlock()
	}
}

// startForgetful returns the server and its address.
func startForgetful(t *testing.T, answer func(int, grpc.ServerStreamingServer[logscribev1.ResumeResponse]) error) (*forgetful, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forgetful{answer: answer}
	server := transport.NewServer(nil)
	logscribev1.RegisterScribeServer(server, f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Shutdown(time.Millisecond)
		<-served
	})
	return f, listener.Addr().String()
}

// tailing returns the settings of an agent with an identity that tails a file of one line.
func tailing(t *testing.T, addr string) Config {
	t.Helper()
	cfg := config(t, addr, "")
	path := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(path, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Stdin, cfg.Files, cfg.Identity = nil, []FileConfig{{Paths: []string{path}, Log: "app"}}, "web-7"
	return cfg
}

// runAgent runs an agent until the function returns, and then stops it.
func runAgent(t *testing.T, cfg Config, until func(a *Agent)) {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	until(a)
	began := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("a clean stop: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// TestNothingIsReadBeforeAnAnswer has a Scribe that is down, then one whose answer ends halfway, then a whole one.
func TestNothingIsReadBeforeAnAnswer(t *testing.T) {
	mayAnswer := make(chan struct{})
	f, addr := startForgetful(t, func(n int, stream grpc.ServerStreamingServer[logscribev1.ResumeResponse]) error {
		switch {
		case n == 1:
			return status.Error(codes.Unavailable, "Scribe x is down")
		case n == 2:
			stream.Send(&logscribev1.ResumeResponse{Generation: 9})
			return status.Error(codes.Unavailable, "Scribe x has gone down")
		}
		<-mayAnswer
		stream.Send(&logscribev1.ResumeResponse{Absent: []string{"Scribe y"}})
		return stream.Send(&logscribev1.ResumeResponse{Generation: 3, SinceMs: 1})
	})
	cfg := tailing(t, addr)
	var logged bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	runAgent(t, cfg, func(a *Agent) {
		f.await(t, "the third call", func() bool { return len(f.asked) == 3 })
		if n := a.spool.Lines(); n != 0 {
			t.Errorf("%d lines were read", n)
		}
		close(mayAnswer)
		f.await(t, "the line", func() bool { return len(f.sources) > 0 })
	})
	f.mu.Lock() // a stream may not have ended yet
	if f.asked[0].Identity != "web-7" || len(f.asked[0].Spool) != 16 || !bytes.Equal(f.asked[0].Spool, f.asked[2].Spool) {
		t.Errorf("it asked %v, then %v", f.asked[0], f.asked[2])
	}
	if h := f.hellos[0]; h.Identity != "web-7" || h.Generation != 3 {
		t.Errorf("its Hello is %v", h)
	}
	if !strings.HasPrefix(f.sources[0], "file/") {
		t.Errorf("a block comes from %q", f.sources[0])
	}
	f.mu.Unlock()
	text := logged.String()
	if n := strings.Count(text, "nothing is read until all Scribes have told"); n != 1 || !strings.Contains(text, "Scribe x is down") || !strings.Contains(text, `absent="Scribe y"`) {
		t.Errorf("it was said %d times, in\n%s", n, text)
	}

	// The spool is no longer empty: nobody is asked, and the generation is the same.
	asked := len(f.asked)
	runAgent(t, cfg, func(*Agent) { f.await(t, "the line again", func() bool { return len(f.hellos) > 1 }) })
	if h := f.hellos[len(f.hellos)-1]; len(f.asked) != asked || h.Generation != 3 {
		t.Errorf("asked %d more times, with %v", len(f.asked)-asked, h)
	}
}

// TestBlocksOfARepairedSpool are those of a spool that has lost its checkpoints: they are not read a second time.
func TestBlocksOfARepairedSpool(t *testing.T) {
	f, addr := startForgetful(t, func(_ int, stream grpc.ServerStreamingServer[logscribev1.ResumeResponse]) error {
		return stream.Send(&logscribev1.ResumeResponse{Generation: 3, SinceMs: 1})
	})
	cfg := tailing(t, addr)
	runAgent(t, cfg, func(*Agent) { f.await(t, "the line", func() bool { return len(f.sources) > 0 }) })
	s, err := spool.Open(cfg.Spool.Path, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Checkpoints("")
	if err != nil {
		t.Fatal(err)
	}
	var gone []spool.Checkpoint
	for key := range all {
		gone = append(gone, spool.Checkpoint{Key: key})
	}
	if err := errors.Join(s.Append(t.Context(), spool.Batch{Checkpoints: gone}), s.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(cfg.Files[0].Paths[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("2\n"); err != nil {
		t.Fatal(err)
	}
	file.Close()
	runAgent(t, cfg, func(a *Agent) {
		await(t, "the second line", func() bool { return a.spool.Lines() >= 2 })
		if n := a.spool.Lines(); n != 2 {
			t.Errorf("the spool has %d lines", n)
		}
	})
	if len(f.asked) != 2 {
		t.Errorf("asked %d times", len(f.asked))
	}
}

// await waits until something came.
func (f *forgetful) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	await(t, what, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return ok()
	})
}

// TestStopsWhileItWaitsForAnAnswer asks nobody, and a Scribe that never answers.
func TestStopsWhileItWaitsForAnAnswer(t *testing.T) {
	f, silent := startForgetful(t, func(_ int, stream grpc.ServerStreamingServer[logscribev1.ResumeResponse]) error {
		<-stream.Context().Done()
		return nil
	})
	runAgent(t, tailing(t, silent), func(*Agent) { f.await(t, "the call", func() bool { return len(f.asked) > 0 }) })
	runAgent(t, tailing(t, "127.0.0.1:1"), func(*Agent) { time.Sleep(10 * time.Millisecond) })
}

// TestNoIdentityAsksNobody starts with an empty spool and without an identity.
func TestNoIdentityAsksNobody(t *testing.T) {
	f, addr := startForgetful(t, nil)
	cfg := tailing(t, addr)
	cfg.Identity = ""
	runAgent(t, cfg, func(*Agent) { f.await(t, "the line", func() bool { return len(f.sources) > 0 }) })
	if len(f.asked) > 0 || f.hellos[0].Identity != "" || f.sources[0] != "" {
		t.Errorf("asked %d times; %v, %q", len(f.asked), f.hellos[0], f.sources[0])
	}
}
