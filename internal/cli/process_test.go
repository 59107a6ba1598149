package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/logscribe/logscribe/internal/signals"
)

func TestMain(m *testing.M) {
	signals.Release()
	goleak.VerifyTestMain(m)
}

// buffer is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }

func (b *buffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

// host returns a host whose signals are read from the channel.
func host(signals chan os.Signal, args ...string) (h Host, stdout, stderr *buffer) {
	stdout, stderr = &buffer{}, &buffer{}
	return Host{Args: args, LookupEnv: lookup(nil), Stdout: stdout, Stderr: stderr, Signals: signals}, stdout, stderr
}

func idle(ctx context.Context, _ *Process) error { <-ctx.Done(); return nil }

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		args   []string
		run    func(context.Context, *Process) error
		code   int
		stderr string
	}{
		{"clean", nil, func(context.Context, *Process) error { return nil }, 0, ""},
		{"failure", nil, func(context.Context, *Process) error { return errors.New("disk gone") }, 1, "scribe: disk gone\n"},
		{"usage", nil, func(context.Context, *Process) error { return Usagef("no") }, 2, "scribe: no\n"},
		{"wrapped usage", nil, func(context.Context, *Process) error { return fmt.Errorf("late: %w", Usagef("no")) }, 2, "scribe: late: no\n"},
		{"canceled by nobody", nil, func(context.Context, *Process) error { return context.Canceled }, 1, "scribe: context canceled\n"},
		{"unknown flag", []string{"-x"}, nil, 2, "scribe: unknown flag -x (see scribe -h)\n"},
		{"help", []string{"-h"}, nil, 0, ""},
		{"help comes before other mistakes", []string{"-help", "-port", "x"}, nil, 0, ""},
		{"version", []string{"--version"}, nil, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, _, stderr := host(nil, tc.args...)
			if code := newSample().Main(h, tc.run); code != tc.code || stderr.String() != tc.stderr {
				t.Errorf("got code %d, stderr %q", code, stderr)
			}
		})
	}
}

func TestSignalsStop(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		signals := make(chan os.Signal, 1)
		signals <- sig
		h, _, stderr := host(signals)
		code := newSample().Main(h, func(ctx context.Context, _ *Process) error { <-ctx.Done(); return ctx.Err() })
		if code != 0 || strings.Contains(stderr.String(), "scribe:") {
			t.Errorf("%v: code %d, stderr %s", sig, code, stderr)
		}
	}
}

func TestFailureWhileStopping(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	h, _, stderr := host(signals)
	code := newSample().Main(h, func(ctx context.Context, _ *Process) error {
		<-ctx.Done()
		return errors.Join(ctx.Err(), errors.New("disk full"))
	})
	if code != 1 || !strings.HasSuffix(stderr.String(), "scribe: context canceled; disk full\n") {
		t.Errorf("code %d, stderr %s", code, stderr)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 2)
		signals <- syscall.SIGTERM
		signals <- syscall.SIGTERM // an echo
		h, _, stderr := host(signals)
		hang := make(chan struct{})
		defer close(hang)
		go func() {
			time.Sleep(echoWindow)
			signals <- syscall.SIGTERM
		}()
		undone := false
		code := newSample().Main(h, func(_ context.Context, proc *Process) error {
			proc.IfAbandoned(func() { undone = true })
			<-hang
			return nil
		})
		if !undone {
			t.Error("the terminal is left as it is")
		}
		if code != 1 || !strings.HasSuffix(stderr.String(), "\nscribe: terminated again: ended at once\n") {
			t.Errorf("code %d, stderr %s", code, stderr)
		}
		if n := strings.Count(stderr.String(), "stopping"); n != 1 {
			t.Errorf("it stopped %d times", n)
		}
	})
}

func TestHangupBeforeOnReload(t *testing.T) {
	signals := make(chan os.Signal)
	h, _, _ := host(signals)
	go func() { signals <- syscall.SIGHUP; signals <- syscall.SIGTERM }()
	if code := newSample().Main(h, idle); code != 0 {
		t.Errorf("code %d", code)
	}
}

func TestLogger(t *testing.T) {
	log := func(args ...string) string {
		h, _, stderr := host(nil, args...)
		newSample().Main(h, func(_ context.Context, p *Process) error {
			p.Logger.Debug("one")
			p.Logger.Error("two", "n", 2)
			return nil
		})
		return stderr.String()
	}
	if text := log(); !strings.HasPrefix(text, "time=") || strings.Contains(text, "one") || !strings.HasSuffix(text, "level=ERROR msg=two n=2\n") {
		t.Errorf("text: %s", text)
	}
	if text := log("-log-level", "debug"); !strings.Contains(text, "msg=one") {
		t.Errorf("debug: %s", text)
	}
	var line struct {
		Msg string
		N   int
	}
	if err := json.Unmarshal([]byte(log("-log-format", "json")), &line); err != nil || line.Msg != "two" || line.N != 2 {
		t.Errorf("json: %v, %+v", err, line)
	}
}

func TestPprof(t *testing.T) {
	signals := make(chan os.Signal)
	h, _, stderr := host(signals, "-pprof", "-pport", "0")
	code := newSample().Main(h, func(context.Context, *Process) error {
		url := regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(stderr.String())
		if url == nil {
			return errors.New("no address")
		}
		defer http.DefaultClient.CloseIdleConnections()
		res, err := http.Get(url[1])
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); !bytes.Contains(body, []byte("goroutine")) {
			return fmt.Errorf("got %s: %s", res.Status, body)
		}
		return nil
	})
	if code != 0 {
		t.Errorf("code %d: %s", code, stderr)
	}
}

func TestPprofPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	h, _, stderr := host(nil, "-pprof", "-pport", port)
	code := newSample().Main(h, idle)
	want := "scribe: -pprof: can't listen on localhost:" + port + ": another process already does; choose another port with -pport\n"
	if code != 1 || stderr.String() != want {
		t.Errorf("code %d, stderr %s", code, stderr)
	}
}

// TestOpsPortInUse: an address that the user has named must be free; the default need not be.
func TestOpsPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	run := func(ctx context.Context, proc *Process) error {
		s, err := proc.ServeOps(ctx)
		if err == nil {
			s.Close()
		}
		return err
	}
	want := "can't listen on " + address + ": another process already does; choose another address with -ops, or off"
	h, _, stderr := host(nil, "-ops", address)
	if code := newSample().Main(h, run); code != 1 || stderr.String() != "scribe: -ops: "+want+"\n" {
		t.Errorf("named by a flag: code %d, stderr %s", code, stderr)
	}
	h, _, stderr = host(nil)
	h.LookupEnv = lookup(map[string]string{"SCRIBE_OPS": address})
	if code := newSample().Main(h, run); code != 1 {
		t.Errorf("named by the environment: code %d, stderr %s", code, stderr)
	}
	h, _, stderr = host(nil)
	p := New("scribe", "writes lines.")
	p.Common(address)
	if code := p.Main(h, run); code != 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "level=WARN msg=\"metrics and health are not served\" error=\""+want) {
		t.Errorf("the default: code %d, stderr %s", code, stderr)
	}
	h, _, stderr = host(nil, "-ops", "here")
	if code := newSample().Main(h, run); code != 2 || stderr.String() != "scribe: -ops: bad address \"here\": write HOST:PORT, or off\n" {
		t.Errorf("a bad one: code %d, stderr %s", code, stderr)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = net.Listen("tcp", l.Addr().String())
	want := "scribe: can't listen on " + l.Addr().String() + ": another process already does"
	if got := oneLine("scribe", fmt.Errorf("listen: %w", err)); got != want {
		t.Errorf("got %q", got)
	}
}

func TestVersion(t *testing.T) {
	h, stdout, _ := host(nil, "-version")
	newSample().Main(h, nil)
	if !regexp.MustCompile(`^scribe \S+ go\S+ \w+/\w+\n$`).MatchString(stdout.String()) {
		t.Errorf("got %q", stdout)
	}
}

func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if IsTerminal(null) || IsTerminal(strings.NewReader("")) {
		t.Error("what is no terminal passes for one")
	}
}

// TestToolHangup: what a person runs in a terminal ends with it, and a daemon does not.
func TestToolHangup(t *testing.T) {
	signals := make(chan os.Signal, 1)
	h, _, stderr := host(signals)
	p := New("scribectl", "shows.", "scribectl")
	p.Tool()
	signals <- syscall.SIGHUP
	if code := p.Main(h, idle); code != 0 || stderr.String() != "" {
		t.Errorf("code %d, stderr %s", code, stderr)
	}
}
