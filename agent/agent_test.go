package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config returns the settings of an agent that reads the text and sends it to addr.
func config(t *testing.T, addr, text string) Config {
	t.Helper()
	return Config{
		Mediators:    []string{addr},
		Spool:        SpoolConfig{Path: filepath.Join(t.TempDir(), "spool.db"), WhenFull: "block", Compression: "s2"},
		Stdin:        &StdinConfig{Log: "a", Reader: strings.NewReader(text)},
		DrainTimeout: 50 * time.Millisecond,
	}
}

// silent returns the address of a listener that accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestUndeliveredLinesAreCountedAndKept(t *testing.T) {
	cfg := config(t, silent(t), "1\n2\n3")
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Run(t.Context())
	left, ok := errors.AsType[*UndeliveredError](err)
	if !ok || left.Lines != 3 || left.Spool != cfg.Spool.Path {
		t.Fatalf("got %v", err)
	}
	s, err := spool.Open(cfg.Spool.Path, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Lines() != 3 {
		t.Errorf("%d lines are in the spool", s.Lines())
	}
}

// TestStopsSoonWithADeadPeer asks an agent that has a backlog, an open pipe and a silent mediator to stop.
func TestStopsSoonWithADeadPeer(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cfg := config(t, silent(t), "")
	cfg.Stdin.Reader, cfg.DrainTimeout = r, time.Minute
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("1\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := a.Run(ctx); err != nil {
		t.Errorf("a clean stop: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	w.Close() // ends the read that Run left behind
}

// TestSpoolDamagedWhileOpen: an agent whose spool is damaged under it ends, and says what to do.
func TestSpoolDamagedWhileOpen(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cfg := config(t, silent(t), "")
	cfg.Stdin.Reader = r
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(cfg.Spool.Path, 8192); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("1\n"); err != nil {
		t.Fatal(err)
	}
	err = a.Run(t.Context())
	if !errors.Is(err, spool.ErrDamaged) || !strings.Contains(err.Error(), "scribe-agent spool repair "+cfg.Spool.Path) {
		t.Errorf("got %v", err)
	}
	w.Close() // ends the read that Run left behind
}

func TestBadConfigIsNamed(t *testing.T) {
	held := config(t, "127.0.0.1:1", "")
	s, err := spool.Open(held.Spool.Path, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for want, change := range map[string]func(*Config){
		`bad log name "../a"`:         func(c *Config) { c.Stdin.Log = "../a" },
		`bad identity "a\n"`:          func(c *Config) { c.Identity = "a\n" },
		"an identity goes with files": func(c *Config) { c.Identity = "a" },
		"the smallest size is 5MB":    func(c *Config) { c.Spool.MaxSize = 1e6 },
		"the smallest size is 9MB": func(c *Config) {
			c.Spool.MaxSize, c.Stdin.Lines.Prefix = 5e6, "{host} "
		},
		"nothing to read":                        func(c *Config) { c.Stdin = nil },
		"nowhere to send":                        func(c *Config) { c.Mediators = nil },
		`spool.when_full: unknown policy "x"`:    func(c *Config) { c.Spool.WhenFull = "x" },
		`spool.when_damaged: unknown remedy "x"`: func(c *Config) { c.Spool.WhenDamaged = "x" },
		`unknown compression "x"`:                func(c *Config) { c.Spool.Compression = "x" },
		`unknown place "x"`:                      func(c *Config) { c.Files = []FileConfig{{Paths: []string{"a"}, Log: "a", Start: "x"}} },
		"{nonsense}":                             func(c *Config) { c.Files = []FileConfig{{Paths: []string{"a"}, Log: "{nonsense}"}} },
		"missing.pem":                            func(c *Config) { c.TLS = transport.TLS{CA: "missing.pem"} },
		"another agent holds the spool":          func(c *Config) { c.Spool.Path = held.Spool.Path },
		`bad address "here"`:                     func(c *Config) { c.Mediators = []string{"here"} },
	} {
		cfg := config(t, "127.0.0.1:1", "")
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
