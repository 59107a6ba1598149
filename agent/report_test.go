package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// reportTaker takes reports.
type reportTaker struct {
	logscribev1.UnimplementedStatusServer
	answer error // to all reports

	mu  sync.Mutex
	all []*logscribev1.ReportRequest
}

func (r *reportTaker) Report(_ context.Context, report *logscribev1.ReportRequest) (*logscribev1.ReportResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report)
	return &logscribev1.ReportResponse{AgainAfterMs: 1000}, r.answer
}

func (r *reportTaker) reports() []*logscribev1.ReportRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}

// serve begins to serve reports, and no lines: the agent keeps a backlog.
func (r *reportTaker) serve(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := transport.NewServer(nil)
	logscribev1.RegisterStatusServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Shutdown(time.Second); err != nil {
			t.Error(err)
		}
		<-served
	})
	return l.Addr().String()
}

// TestReports: what an agent tells while its lines wait, and when it stops.
func TestReports(t *testing.T) {
	taker := &reportTaker{}
	reload := "agent.toml:1: no"
	a, err := New(Config{
		Name: strings.Repeat("x", 300), Mediators: []string{taker.serve(t)}, Software: "v1", DrainTimeout: time.Minute,
		Spool:       SpoolConfig{Path: filepath.Join(t.TempDir(), "spool.db"), MaxSize: 10_000_000, WhenFull: "block", Compression: "s2"},
		Stdin:       &StdinConfig{Log: "web/access", Reader: strings.NewReader("one\ntwo\n")},
		ReloadError: func() string { return reload },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	waiting := func() bool {
		all := taker.reports()
		return len(all) > 0 && all[len(all)-1].BacklogLines == 2
	}
	for deadline := time.Now().Add(10 * time.Second); !waiting(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %v", taker.reports())
		}
	}
	producer := a.spool.Producer()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	all := taker.reports()
	last := all[len(all)-1]
	for _, r := range []*logscribev1.ReportRequest{all[len(all)-2], last} {
		if r.ReadLines != 2 || r.ReadBytes != 8 || r.BacklogLines != 2 || r.BacklogBytes == 0 || len(r.Backlog) != 1 || r.Backlog[0].Log != "web/access" ||
			r.Software != "v1" || r.ReloadError != reload || len(r.Agent) > 210 || r.SpoolFree == nil || len(r.Losses) != 0 || string(r.Producer) != string(producer[:]) {
			t.Errorf("got %v", r)
		}
		if r.Stopped != (r == last) {
			t.Errorf("stopped: %v", r)
		}
	}
}

// TestReportsNobodyTakes: an older mediator knows no reports, and no word is made of it.
func TestReportsNobodyTakes(t *testing.T) {
	taker := &reportTaker{answer: status.Error(codes.Unimplemented, "unknown service")}
	var said bytes.Buffer
	a, err := New(Config{
		Name: "a", Mediators: []string{taker.serve(t)}, DrainTimeout: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Spool:  SpoolConfig{Path: filepath.Join(t.TempDir(), "spool.db"), WhenFull: "block", Compression: "s2"},
		Stdin:  &StdinConfig{Log: "web/access", Reader: strings.NewReader("one\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var left *UndeliveredError
	if err = a.Run(t.Context()); !errors.As(err, &left) {
		t.Errorf("got %v", err)
	}
	if all := taker.reports(); len(all) != 2 || !all[1].Stopped {
		t.Errorf("%d reports: %v", len(all), all)
	}
	if strings.Contains(said.String(), "how this agent does") {
		t.Error(said.String())
	}
}

func TestReportPause(t *testing.T) {
	again := func(ms uint32) *logscribev1.ReportResponse { return &logscribev1.ReportResponse{AgainAfterMs: ms} }
	for _, tc := range []struct {
		answer     *logscribev1.ReportResponse
		err        error
		soon, want time.Duration
	}{
		{again(5000), nil, time.Second, time.Second},
		{again(5000), nil, time.Minute, 5 * time.Second},
		{again(1), nil, time.Minute, time.Second},
		{again(0), nil, time.Minute, 5 * time.Second},
		{nil, status.Error(codes.Unavailable, "down"), time.Second, 5 * time.Second},
		{nil, status.Error(codes.Unimplemented, "old"), time.Second, time.Minute},
	} {
		if got := reportPause(tc.answer, tc.err, tc.soon); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
