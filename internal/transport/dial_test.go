package transport

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

func TestDialBadAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"":                  "HOST:PORT",
		"localhost":         "HOST:PORT",
		"localhost:":        "port",
		"localhost:http":    "port",
		"localhost:0":       "port",
		"localhost:70000":   "port",
		"::1:8000":          "HOST:PORT",
		"http://mediator:1": "HOST:PORT",
	} {
		_, err := Dial([]string{"127.0.0.1:1", addr}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%q: error %v does not name it or does not say %q", addr, err, want)
		}
	}
	if _, err := Dial(nil, nil); err == nil {
		t.Error("no address, no error")
	}
}

// unused returns a loopback address on which nothing listens.
func unused(t *testing.T) string {
	lis := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer lis.Close()
	return lis.Addr().String()
}

// silent returns the address of a peer that accepts connections and never says a word.
func silent(t *testing.T) string {
	lis := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { lis.Close() })
	return lis.Addr().String()
}

func TestDialTriesAddressesInOrder(t *testing.T) {
	a, first := serve(t, nil)
	_, second := serve(t, nil)
	used := func(conn *grpc.ClientConn) string {
		t.Helper()
		if err := ping(t, conn); err != nil {
			t.Fatal(err)
		}
		return peerOf(t, conn)
	}
	if got := used(dial(t, nil, first, second)); got != first {
		t.Errorf("both are up: connected to %s, not to the first", got)
	}
	if got := used(dial(t, nil, unused(t), second)); got != second {
		t.Errorf("the first refuses: connected to %s", got)
	}
	if got := used(dial(t, nil, silent(t), second)); got != second {
		t.Errorf("the first is silent: connected to %s", got)
	}
	conn := dial(t, nil, first, second)
	used(conn)
	if err := a.Shutdown(time.Second); err != nil {
		t.Fatal(err)
	}
	if got := used(conn); got != second {
		t.Errorf("the first went away: connected to %s", got)
	}
}

// A server that comes up after many failed attempts must be found soon.
func TestDialReconnects(t *testing.T) {
	addr := unused(t)
	conn := dial(t, nil, addr)
	if err := ping(t, conn); err == nil {
		t.Fatal("connected to nothing")
	}
	lis := must[net.Listener](t)(net.Listen("tcp", addr))
	s := NewServer(nil)
	go s.Serve(lis)
	defer s.Shutdown(time.Second)
	begin := time.Now()
	for ping(t, conn) != nil {
		if time.Since(begin) > reconnectDelay+time.Second {
			t.Fatal("not reconnected")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestDialInProcess(t *testing.T) {
	lis := bufconn.Listen(1 << 16)
	s := NewServer(nil)
	go s.Serve(lis)
	defer s.Shutdown(time.Second)
	conn, err := Dial([]string{"in-process:1"}, nil,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := ping(t, conn); err != nil {
		t.Error(err)
	}
}
