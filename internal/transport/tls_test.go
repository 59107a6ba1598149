package transport

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/transport/testpki"
)

func TestTLSFiles(t *testing.T) {
	ca, other := testpki.NewCA(t), testpki.NewCA(t)
	pair, foreign := ca.Issue("127.0.0.1"), other.Issue("127.0.0.1")
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("not PEM\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const missing = "/no/such/file.pem"
	server, client := TLS.Server, TLS.Client
	for _, c := range []struct {
		name string
		make func(TLS) (*Credentials, error)
		tls  TLS
		want []string // what the error says; none for no error
	}{
		{"server: nothing", server, TLS{}, nil},
		{"server: crt and pk", server, TLS{Cert: pair.Cert, Key: pair.Key}, nil},
		{"server: all", server, TLS{CA: ca.File, Cert: pair.Cert, Key: pair.Key}, nil},
		{"server: ca alone", server, TLS{CA: ca.File}, []string{ca.File, "needs crt and pk"}},
		{"server: crt alone", server, TLS{Cert: pair.Cert}, []string{pair.Cert, "pk is missing"}},
		{"server: pk alone", server, TLS{Key: pair.Key}, []string{pair.Key, "crt is missing"}},
		{"server: ca and crt", server, TLS{CA: ca.File, Cert: pair.Cert}, []string{"pk is missing"}},
		{"server: key of another", server, TLS{Cert: pair.Cert, Key: foreign.Key}, []string{pair.Cert, foreign.Key, "does not match"}},
		{"server: no crt file", server, TLS{Cert: missing, Key: pair.Key}, []string{"crt", missing}},
		{"server: no pk file", server, TLS{Cert: pair.Cert, Key: missing}, []string{"pk", missing}},
		{"server: crt without PEM", server, TLS{Cert: text, Key: pair.Key}, []string{"crt", text, "no certificate"}},
		{"server: pk without PEM", server, TLS{Cert: pair.Cert, Key: text}, []string{"pk", text, "no private key"}},
		{"server: swapped", server, TLS{Cert: pair.Key, Key: pair.Cert}, []string{"crt", pair.Key, "no certificate"}},
		{"server: ca without PEM", server, TLS{CA: text, Cert: pair.Cert, Key: pair.Key}, []string{"ca", text, "no certificate"}},
		{"client: nothing", client, TLS{}, nil},
		{"client: ca alone", client, TLS{CA: ca.File}, nil},
		{"client: all", client, TLS{CA: ca.File, Cert: pair.Cert, Key: pair.Key}, nil},
		{"client: no ca", client, TLS{Cert: pair.Cert, Key: pair.Key}, []string{"needs ca"}},
		{"client: crt alone", client, TLS{Cert: pair.Cert}, []string{"pk is missing"}},
		{"client: ca and pk", client, TLS{CA: ca.File, Key: pair.Key}, []string{"crt is missing"}},
		{"client: no ca file", client, TLS{CA: missing}, []string{"ca", missing}},
		{"client: ca is a key", client, TLS{CA: pair.Key}, []string{"ca", pair.Key, "no certificate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			creds, err := c.make(c.tls)
			if c.want == nil {
				if err != nil || (creds != nil) != (c.tls != TLS{}) {
					t.Fatalf("credentials %v, error %v", creds, err)
				}
				return
			}
			if err == nil || creds != nil {
				t.Fatalf("no error, want one that says %q", c.want)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		})
	}
}

func TestHandshake(t *testing.T) {
	ca, other := testpki.NewCA(t), testpki.NewCA(t)
	here, elsewhere := ca.Issue("127.0.0.1"), ca.Issue("10.1.1.1", "elsewhere.example")
	expired := ca.IssueUntil(time.Now().Add(-time.Minute), "127.0.0.1")
	foreign := other.Issue("127.0.0.1")
	oneWay, mutual := TLS{Cert: here.Cert, Key: here.Key}, TLS{CA: ca.File, Cert: here.Cert, Key: here.Key}
	for _, c := range []struct {
		name           string
		server, client TLS
		want           string // in the call's error, or in the server's log; empty for none
	}{
		{"one-way", oneWay, TLS{CA: ca.File}, ""},
		{"one-way, client has a certificate", oneWay, mutual, ""},
		{"mutual", mutual, mutual, ""},
		{"mutual switched off", TLS{CA: ca.File, Cert: here.Cert, Key: here.Key, OneWay: true}, TLS{CA: ca.File}, ""},
		{"mutual, client without certificate", mutual, TLS{CA: ca.File}, "certificate"},
		{"mutual, client of another CA", mutual, TLS{CA: ca.File, Cert: foreign.Cert, Key: foreign.Key}, "authority"},
		{"mutual, client's certificate expired", mutual, TLS{CA: ca.File, Cert: expired.Cert, Key: expired.Key}, "expired"},
		{"server of another CA", oneWay, TLS{CA: other.File}, "unknown authority"},
		{"server's certificate expired", TLS{Cert: expired.Cert, Key: expired.Key}, TLS{CA: ca.File}, "expired"},
		{"server's certificate is for another host", TLS{Cert: elsewhere.Cert, Key: elsewhere.Key}, TLS{CA: ca.File}, "not 127.0.0.1"},
		{"server in the clear", TLS{}, TLS{CA: ca.File}, "tls"},
		{"client in the clear", oneWay, TLS{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			creds, logged := must[*Credentials](t)(c.server.Server()), new(syncBuffer)
			creds.LogRefused(slog.New(slog.NewTextHandler(logged, nil)))
			_, addr := serve(t, creds)
			err := ping(t, dial(t, must[*Credentials](t)(c.client.Client()), addr))
			switch {
			case c.name == "client in the clear": // the server can only hang up, in no particular words
				if err == nil {
					t.Error("the call succeeded")
				}
			case c.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), c.want) && !eventually(func() bool { return strings.Contains(logged.String(), c.want) }):
				t.Errorf("neither error %v nor log %q says %q", err, logged, c.want)
			}
		})
	}
}

func eventually(ok func() bool) bool {
	for range 200 {
		if ok() {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Each address must be verified against its own host: here two servers have certificates for one host each.
func TestServerNameIsTheDialledHost(t *testing.T) {
	ca := testpki.NewCA(t)
	byIP, byName := ca.Issue("127.0.0.1"), ca.Issue("localhost")
	client := must[*Credentials](t)(TLS{CA: ca.File}.Client())
	_, first := serve(t, must[*Credentials](t)(TLS{Cert: byIP.Cert, Key: byIP.Key}.Server()))
	second, addr := serve(t, must[*Credentials](t)(TLS{Cert: byName.Cert, Key: byName.Key}.Server()))
	_ = second
	_, port, _ := strings.Cut(addr, ":")

	if err := ping(t, dial(t, client, first)); err != nil {
		t.Errorf("by address: %v", err)
	}
	if err := ping(t, dial(t, client, "localhost:"+port)); err != nil {
		t.Errorf("by name: %v", err)
	}
	if err := ping(t, dial(t, client, addr)); err == nil {
		t.Error("a certificate for localhost was accepted for 127.0.0.1")
	}
	// The first of these fails its verification, the second does not inherit the first one's name.
	if err := ping(t, dial(t, client, addr, "localhost:"+port)); err != nil {
		t.Errorf("second of two: %v", err)
	}
}

func TestReload(t *testing.T) {
	oldCA, newCA := testpki.NewCA(t), testpki.NewCA(t)
	dir := t.TempDir()
	files := TLS{CA: filepath.Join(dir, "ca"), Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "pk")}
	install := func(ca *testpki.CA, p testpki.Pair) {
		t.Helper()
		for to, from := range map[string]string{files.CA: ca.File, files.Cert: p.Cert, files.Key: p.Key} {
			if err := os.WriteFile(to, must[[]byte](t)(os.ReadFile(from)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	install(oldCA, oldCA.Issue("127.0.0.1"))
	server, client := must[*Credentials](t)(files.Server()), must[*Credentials](t)(files.Client())
	_, addr := serve(t, server)
	kept := dial(t, client, addr)
	if err := ping(t, kept); err != nil {
		t.Fatal(err)
	}

	// Half of a rotation: the key is still the old one.
	install(newCA, newCA.Issue("127.0.0.1"))
	key := must[[]byte](t)(os.ReadFile(files.Key))
	os.WriteFile(files.Key, must[[]byte](t)(os.ReadFile(oldCA.Issue("x").Key)), 0o600)
	for i, err := range []error{server.Reload(), client.Reload(), Reload(server, client)} {
		if err == nil || !strings.Contains(err.Error(), files.Key) {
			t.Errorf("reload %d: error %v does not name %s", i, err, files.Key)
		}
	}
	if err := ping(t, dial(t, client, addr)); err != nil {
		t.Errorf("after a failed reload: %v", err)
	}

	os.WriteFile(files.Key, key, 0o600)
	if err := server.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := ping(t, dial(t, client, addr)); err == nil {
		t.Error("a client of the old CA trusts a server of the new one")
	}
	if err := Reload(nil, client); err != nil {
		t.Fatal(err)
	}
	if err := ping(t, dial(t, client, addr)); err != nil {
		t.Errorf("after both reloads: %v", err)
	}
	if err := ping(t, kept); err != nil {
		t.Errorf("a connection made before: %v", err)
	}
}
