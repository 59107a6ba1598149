package ops

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/logscribe/logscribe/internal/latency"
)

var (
	families Families
	lines    = families.Counter("logscribe_test_lines_total", "Lines.", "reason")
	backlog  = families.Gauge("logscribe_test_backlog_bytes", "Bytes.")
	waits    = families.Latency("logscribe_test_wait_seconds", "Waits.")
)

func serve(t *testing.T, ctx context.Context) *Server {
	t.Helper()
	s, err := Serve(ctx, Config{Address: "127.0.0.1:0", Must: true, Program: "test", Version: "v1.2.3", Logger: slog.New(slog.DiscardHandler),
		Reloads: func() Reloads { return Reloads{Good: 2, Failed: 1, Error: "bad", Since: time.UnixMilli(1500)} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, s *Server, path string) (code int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + s.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestMetrics(t *testing.T) {
	s := serve(t, t.Context())
	var h latency.Histogram
	h.Observe(2 * time.Millisecond)
	s.Show(Target{
		Collectors: []prometheus.Collector{families.Collector(func(to Sink) {
			Put(to, lines, 3, "full")
			Put(to, backlog, 1.5)
			PutLatency(to, waits, h.Snapshot())
		})},
		Live: func() []string { return nil }, Ready: func() []string { return nil },
	})
	code, body := get(t, s, "/metrics")
	for _, want := range []string{
		`logscribe_test_lines_total{reason="full"} 3`, "logscribe_test_backlog_bytes 1.5",
		`logscribe_test_wait_seconds_bucket{le="0.001"} 0`, `logscribe_test_wait_seconds_bucket{le="0.0025"} 1`,
		`logscribe_test_wait_seconds_bucket{le="+Inf"} 1`, "logscribe_test_wait_seconds_sum 0.002",
		"logscribe_test_config_last_reload_successful 0", "logscribe_test_config_last_reload_success_timestamp_seconds 1.5",
		`logscribe_test_config_reloads_total{result="success"} 2`, `logscribe_test_config_reloads_total{result="failure"} 1`,
		`version="v1.2.3"`, "go_goroutines", "process_",
	} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("%d: no %s in\n%s", code, want, body)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if code, _ := get(t, s, "/nothing"); code != 404 {
		t.Errorf("code %d", code)
	}
}

func TestHealthTurns(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s := serve(t, ctx)
	expect := func(path string, code int, body string) {
		t.Helper()
		if c, b := get(t, s, path); c != code || b != body {
			t.Errorf("%s: got %d %q, want %d %q", path, c, b, code, body)
		}
	}
	expect("/healthz", 200, "ok\n")
	expect("/readyz", 503, "it has not started yet\n")
	var dead, unready atomic.Pointer[[]string]
	of := func(p *atomic.Pointer[[]string]) func() []string {
		return func() []string {
			if wrong := p.Load(); wrong != nil {
				return *wrong
			}
			return nil
		}
	}
	s.Show(Target{Live: of(&dead), Ready: of(&unready)})
	for range 2 {
		expect("/readyz", 200, "ok\n")
		expect("/healthz", 200, "ok\n")
		unready.Store(&[]string{"no room", "two\nlines"})
		expect("/readyz", 503, "no room\ntwo; lines\n")
		expect("/healthz", 200, "ok\n")
		dead.Store(&[]string{"a loop hangs"})
		expect("/healthz", 503, "a loop hangs\n")
		unready.Store(nil)
		dead.Store(nil)
	}
	stop()
	expect("/readyz", 503, "it stops\n")
	expect("/healthz", 200, "ok\n")
}

func TestAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	want := "can't listen on " + address + ": another process already does; choose another address with -ops, or off"
	if _, err := Serve(t.Context(), Config{Address: address, Must: true, Logger: logger}); err == nil || err.Error() != "-ops: "+want {
		t.Errorf("got %v", err)
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	for _, a := range []string{address, "", Off} {
		log.Reset()
		s, err := Serve(t.Context(), Config{Address: a, Must: a != address, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), want); a == address && n != 1 || a != address && log.Len() > 0 {
			t.Errorf("%q: logged %s", a, &log)
		}
		s.Show(Target{Collectors: []prometheus.Collector{families.Collector(nil)}})
		s.Close()
		if s.Addr() != nil {
			t.Errorf("%q: serves on %v", a, s.Addr())
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for address, want := range map[string]string{
		"off": "", "127.0.0.1:0": "", ":9000": "", "[::1]:1": "",
		"127.0.0.1":     `bad address "127.0.0.1": write HOST:PORT, or off`,
		"localhost:one": `bad address "localhost:one": the port must be a number from 0 to 65535`,
		"a:65536":       `bad address "a:65536": the port must be a number from 0 to 65535`,
	} {
		got := ""
		if err := CheckAddress(address); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q", address, got)
		}
	}
}

func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		var result []string
		hang := make(chan struct{})
		close(hang)
		p := NewProbe("the disk", 5*time.Second, time.Second, func() []string {
			tries.Add(1)
			<-hang
			return result
		})
		expect := func(want string, wantTries int64) {
			t.Helper()
			if got := strings.Join(p.Check(), "|"); got != want || tries.Load() != wantTries {
				t.Errorf("got %q after %d tries, want %q after %d", got, tries.Load(), want, wantTries)
			}
		}
		expect("", 1)
		result = []string{"full"}
		time.Sleep(4 * time.Second)
		expect("", 1)
		time.Sleep(time.Second)
		expect("full", 2)
		hang, result = make(chan struct{}), nil
		time.Sleep(5 * time.Second)
		expect("the disk: no answer for 1s", 3)
		expect("the disk: no answer for 2s", 3)
		close(hang)
		synctest.Wait()
		expect("", 3)
	})
}
