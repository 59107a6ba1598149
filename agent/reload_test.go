package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/internal/transport/testpki"
)

// startTailing starts an agent that tails one file, and returns what writes to it.
func startTailing(t *testing.T) (a *Agent, cfg Config, write func(string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.log")
	write = func(text string) {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	cfg = config(t, silent(t), "")
	cfg.Stdin, cfg.Files = nil, []FileConfig{{Paths: []string{file}, Log: "old"}}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a, cfg, write
}

func (a *Agent) awaitLines(t *testing.T, log string, lines uint64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); a.spool.Queue(log).Lines() != lines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("log %s has %d lines, want %d", log, a.spool.Queue(log).Lines(), lines)
		}
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	a, cfg, write := startTailing(t)
	a.awaitLines(t, "old", 1)
	ca := testpki.NewCA(t)
	for want, change := range map[string]func(*Config){
		`name needs a restart to change from `:             func(c *Config) { c.Name = "other" },
		`spool.path needs a restart to change from `:       func(c *Config) { c.Spool.Path = "other" },
		`what is read from standard input needs a restart`: func(c *Config) { c.Stdin = &StdinConfig{Log: "in"} },
		`spool.max_size: 5B is too small`:                  func(c *Config) { c.Spool.MaxSize = 5 },
		`spool.when_full: unknown policy "x"`:              func(c *Config) { c.Spool.WhenFull = "x" },
		`unknown compression "x"`:                          func(c *Config) { c.Spool.Compression = "x" },
		"nowhere to send to":                               func(c *Config) { c.Mediators = nil },
		`bad address "here"`:                               func(c *Config) { c.Mediators = []string{"here"} },
		"missing.pem":                                      func(c *Config) { c.TLS = transport.TLS{CA: "missing.pem"} },
		`bad glob "["`:                                     func(c *Config) { c.Files[0].Paths = []string{"["} },
		"{nonsense}":                                       func(c *Config) { c.Files[0].Log = "{nonsense}" },
		"nothing to read":                                  func(c *Config) { c.Files = nil },
	} {
		bad := cfg
		bad.Files = slices.Clone(cfg.Files)
		bad.Files[0].Log, bad.Spool.MaxSize, bad.DrainTimeout = "new", 5e6, time.Hour
		bad.TLS, bad.Mediators = transport.TLS{CA: ca.File}, []string{"127.0.0.1:1"}
		change(&bad)
		conn, creds := a.conn, a.creds
		if err := a.Reload(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if a.conn != conn || a.creds != creds || a.cfg.DrainTimeout != cfg.DrainTimeout || a.spool.Stats().FreeBytes >= 0 {
			t.Errorf("%s: something is in effect", want)
		}
	}
	write("two\n")
	a.awaitLines(t, "old", 2) // and not in another log
}

func TestReloadTakesEffect(t *testing.T) {
	a, cfg, write := startTailing(t)
	a.awaitLines(t, "old", 1)
	ca, conn := testpki.NewCA(t), a.conn
	cfg.Files = []FileConfig{{Paths: cfg.Files[0].Paths, Log: "new"}}
	cfg.TLS, cfg.Mediators = transport.TLS{CA: ca.File}, []string{silent(t)}
	if err := a.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if a.conn == conn {
		t.Error("the old connection is still in use")
	}
	write("two\n")
	a.awaitLines(t, "new", 1)
	conn = a.conn
	if err := a.Reload(cfg); err != nil { // certificates are read again, and no stream is disturbed
		t.Fatal(err)
	}
	if a.conn != conn {
		t.Error("the connection was made anew for nothing")
	}
	for _, maxSize := range []int64{5e6, 0, 10e6} {
		cfg.Spool.MaxSize = maxSize
		if err := a.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if free := a.spool.Stats().FreeBytes; (free < 0) != (maxSize == 0) || free > maxSize {
			t.Errorf("with a bound of %d bytes, %d are free", maxSize, free)
		}
	}
}
