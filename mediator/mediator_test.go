package mediator

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/internal/transport/testpki"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func TestNewErrors(t *testing.T) {
	running := startMediator(t, Config{})
	ca := testpki.NewCA(t)
	pair := ca.Issue("127.0.0.1")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no folder", Config{}, "no data folder"},
		{"a file for a folder", Config{DataDir: file}, file},
		{"another process has the store", Config{DataDir: running.cfg.DataDir}, StoreFile + " is in use by "},
		{"port in use", Config{DataDir: t.TempDir(), Listen: running.Addr().String()}, running.Addr().String()},
		{"bad address", Config{DataDir: t.TempDir(), Listen: "127.0.0.1"}, "127.0.0.1"},
		{"crt without pk", Config{DataDir: t.TempDir(), TLS: transport.TLS{Cert: pair.Cert}}, "pk is missing"},
		{"no ca for the Scribes", Config{DataDir: t.TempDir(), TLS: transport.TLS{Cert: pair.Cert, Key: pair.Key}}, "towards Scribes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cfg.Listen == "" {
				c.cfg.Listen = "127.0.0.1:0"
			}
			m, err := New(c.cfg)
			if err == nil || m != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v does not say %q", err, c.want)
			}
			if c.name == "port in use" { // and the store is free again
				c.cfg.Listen = "127.0.0.1:0"
				startMediator(t, c.cfg)
			}
		})
	}
}

func TestOwnHealth(t *testing.T) {
	h := startMediator(t, Config{})
	r, err := healthpb.NewHealthClient(h.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || r.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", r, err)
	}
}

// Whatever peers do, a stop is a matter of less than two seconds; the harness measures it.
func TestStopIsBounded(t *testing.T) {
	h, hung, well := startMediator(t, Config{HealthInterval: time.Minute}), startScribe(t, "hung"), startScribe(t, "well")
	h.register(hung, well)
	logHung, logWell := h.logOf("hung"), h.logOf("well")

	silent, err := net.Dial("tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	idle := h.begin(t.Context())
	idle.line(logWell, "x")
	hung.hang()
	waiting := h.begin(t.Context())
	waiting.line(logHung, "x")
	if err := waiting.CloseSend(); err != nil {
		t.Fatal(err)
	}
	hung.begun(0)
	well.begun(0)

	// A stream that ends within the grace gets its receipts.
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(100 * time.Millisecond)
		if r := idle.receipts()[logWell]; code(r) != codes.OK {
			t.Errorf("the stream that ended in time: %v", r)
		}
	}()
	h.stop()
	<-done
	hung.wakeUp()
}

func TestRunWithoutEnd(t *testing.T) {
	m, err := New(Config{Listen: "127.0.0.1:0", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", m.Addr().String()); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

func TestTLS(t *testing.T) {
	ca := testpki.NewCA(t)
	dir := t.TempDir()
	mutual := transport.TLS{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "crt.pem"), Key: filepath.Join(dir, "pk.pem")}
	install := func(ca *testpki.CA) {
		t.Helper()
		p := ca.Issue("127.0.0.1")
		for to, from := range map[string]string{mutual.CA: ca.File, mutual.Cert: p.Cert, mutual.Key: p.Key} {
			b, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	install(ca)
	for name, tls := range map[string]transport.TLS{"mutual": mutual, "one-way": {CA: mutual.CA, Cert: mutual.Cert, Key: mutual.Key, OneWay: true}} {
		t.Run(name, func(t *testing.T) {
			h, f := startMediator(t, Config{TLS: tls}), startScribeAt(t, "a", "127.0.0.1:0", mutual)
			h.register(f)
			s := h.begin(t.Context())
			s.line("web/access", "x")
			if r := s.receipts()["web/access"]; code(r) != codes.OK {
				t.Error(r)
			}
			creds, err := transport.TLS{CA: mutual.CA}.Client()
			if err != nil {
				t.Fatal(err)
			}
			conn, err := transport.Dial([]string{h.Addr().String()}, creds)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			if tls.OneWay != (err == nil) {
				t.Errorf("a client without a certificate: %v", err)
			}
		})
	}
	t.Run("reload", func(t *testing.T) {
		h := startMediator(t, Config{TLS: mutual})
		if err := os.WriteFile(mutual.Key, []byte("no key"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.Reload(); err == nil || !strings.Contains(err.Error(), mutual.Key) {
			t.Errorf("error %v does not name %s", err, mutual.Key)
		}
		install(testpki.NewCA(t))
		if err := h.Reload(); err != nil {
			t.Fatal(err)
		}
		f := startScribeAt(t, "a", "127.0.0.1:0", mutual) // with the new authority
		creds, err := mutual.Client()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := transport.Dial([]string{h.Addr().String()}, creds)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("a client with a new certificate: %v", err)
		}
		if err := h.Mediator.registry.register(t.Context(), registration{id: "a", address: f.addr}); err != nil {
			t.Fatal(err)
		}
		h.waitUp("a", true)
	})
}
