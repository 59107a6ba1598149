package mediator

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestRegisterBadInput(t *testing.T) {
	h := startMediator(t, Config{})
	root := make([]byte, 16)
	for _, c := range []struct {
		name    string
		request *logscribev1.RegisterRequest
		want    string
	}{
		{"nothing", &logscribev1.RegisterRequest{}, "id is missing"},
		{"long id", &logscribev1.RegisterRequest{Id: strings.Repeat("x", 201), Address: "h:1", Root: root}, "longer than"},
		{"newline in id", &logscribev1.RegisterRequest{Id: "a\nb", Address: "h:1", Root: root}, `bad Scribe id "a\nb"`},
		{"space in id", &logscribev1.RegisterRequest{Id: "a b", Address: "h:1", Root: root}, "space"},
		{"no root", &logscribev1.RegisterRequest{Id: "a", Address: "h:1"}, "root of Scribe \"a\" is 0 bytes"},
		{"short root", &logscribev1.RegisterRequest{Id: "a", Address: "h:1", Root: root[:4]}, "is 4 bytes"},
		{"no address", &logscribev1.RegisterRequest{Id: "a", Root: root}, "HOST:PORT"},
		{"no port", &logscribev1.RegisterRequest{Id: "a", Address: "host", Root: root}, "HOST:PORT"},
		{"port 0", &logscribev1.RegisterRequest{Id: "a", Address: "host:0", Root: root}, "1 to 65535"},
		{"port by name", &logscribev1.RegisterRequest{Id: "a", Address: "host:http", Root: root}, "1 to 65535"},
		{"long address", &logscribev1.RegisterRequest{Id: "a", Address: strings.Repeat("h", 300) + ":1", Root: root}, "longer than"},
		{"long software", &logscribev1.RegisterRequest{Id: "a", Address: "h:1", Root: root, Software: strings.Repeat("1", 101)}, "longer than"},
	} {
		_, err := h.registry.Register(t.Context(), c.request)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not say %q", c.name, err, c.want)
		}
	}
	if n := len(h.Stats().Scribes); n != 0 {
		t.Errorf("%d Scribes are registered", n)
	}
}

func TestRegisterWithoutHost(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	_, port, _ := net.SplitHostPort(f.addr)
	for _, address := range []string{":" + port, "0.0.0.0:" + port, "[::]:" + port} {
		response, err := h.registry.Register(t.Context(), &logscribev1.RegisterRequest{Id: "a", Address: address, Root: f.root[:]})
		if err != nil {
			t.Fatal(err)
		}
		if response.AgainAfterMs != uint32(2*testInterval/time.Millisecond) {
			t.Errorf("again after %d ms", response.AgainAfterMs)
		}
		if got := h.Stats().Scribes[0].Address; got != f.addr {
			t.Errorf("%s is taken for %s", address, got)
		}
	}
	h.waitUp("a", true)
	if r := h.resolve("web/access"); r.Owner != "a" || r.Address != f.addr || r.Epoch != 1 {
		t.Error(r)
	}
}

func TestResolveErrors(t *testing.T) {
	h := startMediator(t, Config{})
	for log, want := range map[string]codes.Code{"bad//name": codes.InvalidArgument, "": codes.InvalidArgument, "web/access": codes.Unavailable} {
		if _, err := h.registry.Resolve(t.Context(), &logscribev1.ResolveRequest{Log: log}); status.Code(err) != want {
			t.Errorf("%q: %v", log, err)
		}
	}
}

func TestIdentityConflict(t *testing.T) {
	now := new(clock)
	h := startMediator(t, Config{now: now.now})
	first, second := startScribe(t, "a"), startScribe(t, "a")
	h.register(first)
	h.waitUp("a", true)
	err := h.tryRegister(second)
	if status.Code(err) != codes.AlreadyExists || !strings.Contains(err.Error(), first.addr) || !strings.Contains(err.Error(), second.addr) {
		t.Errorf("both are alive: %v", err)
	}
	if got := h.resolve("web/access").Address; got != first.addr {
		t.Errorf("the log is at %s", got)
	}

	// Whatever answers at its address, a Scribe that no longer registers is not alive.
	now.advance(time.Hour)
	if err := h.tryRegister(second); err != nil {
		t.Errorf("the first has long been silent: %v", err)
	}

	// The second is alive until it is killed, whatever the last check said.
	h.waitUp("a", true)
	third := startScribe(t, "a")
	second.kill()
	if err := h.tryRegister(third); err != nil {
		t.Errorf("the second was killed: %v", err)
	}

	// A new root at the same address is the same Scribe made anew.
	third.root = uuid.New()
	if err := h.tryRegister(third); err != nil {
		t.Errorf("a new root at the same address: %v", err)
	}
	if got := h.resolve("web/access").Address; got != third.addr {
		t.Errorf("the log is at %s", got)
	}
}

// A Scribe that comes back at another address takes its logs along, and what is relayed to the old one ends.
func TestScribeMoves(t *testing.T) {
	h, old := startMediator(t, Config{HealthInterval: time.Hour}), startScribe(t, "a")
	h.register(old)
	s := h.begin(t.Context())
	s.line("web/access", "x")
	old.begun(0)

	moved := startScribe(t, "a")
	moved.root = old.root
	h.register(moved)
	if err := old.stream(0).ended; status.Code(err) != codes.Canceled {
		t.Errorf("the stream to the old address ended with %v", err)
	}
	s.line("web/access", "y")
	if r := s.receipts()["web/access"]; code(r) != codes.Unavailable || !strings.Contains(r.Detail, moved.addr) {
		t.Error(r)
	}
	s = h.begin(t.Context())
	s.line("web/access", "x")
	if r := s.receipts()["web/access"]; code(r) != codes.OK {
		t.Error(r)
	}
	if r := h.resolve("web/access"); r.Address != moved.addr || r.Epoch != 1 {
		t.Error(r)
	}
}

// A Scribe that was down is used again as soon as it registers, not only at the next check.
func TestRegisterTriggersCheck(t *testing.T) {
	h := startMediator(t, Config{HealthInterval: time.Minute})
	f := startScribe(t, "a")
	h.register(f)
	h.waitUp("a", true)
	f.kill()
	s := h.begin(t.Context())
	s.line("web/access", "x")
	s.receipts() // fails, whereupon the Scribe is checked
	h.waitUp("a", false)
	back := startScribeAt(t, "a", f.addr, transport.TLS{})
	back.root = f.root
	h.register(back)
	h.waitUp("a", true)
}

// One hung Scribe delays neither the others' checks nor their logs, and its own streams only until its check fails.
func TestHungScribe(t *testing.T) {
	h, a, b := startMediator(t, Config{}), startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	logA, logB := h.logOf("a"), h.logOf("b")
	mixed, own := h.begin(t.Context()), h.begin(t.Context())
	mixed.line(logA, "x")
	mixed.line(logB, "x")
	own.line(logB+"/other", "x")
	a.begun(0)
	a.hang()
	begin := time.Now()
	for range 400 { // far more than the window holds
		mixed.line(logA, strings.Repeat("x", 10_000))
	}
	mixed.line(logB, "y")
	got := mixed.receipts()
	if d := time.Since(begin); d > 2*testInterval+2*time.Second {
		t.Errorf("the hung Scribe held its stream up for %s", d)
	}
	if r := got[logA]; code(r) != codes.Unavailable || !strings.Contains(r.Detail, "is down: health check") {
		t.Errorf("the hung Scribe's log: %v", r)
	}
	if r := got[logB]; code(r) != codes.OK || r.Committed != 2 {
		t.Errorf("the other log: %v", r)
	}
	own.receipts()

	// From now on its logs are answered at once, and new ones go to the other.
	s := h.begin(t.Context())
	s.line(logA, "x")
	s.line("brand/new", "x")
	got = s.receipts()
	if r := got[logA]; code(r) != codes.Unavailable {
		t.Errorf("the hung Scribe's log: %v", r)
	}
	if r := got["brand/new"]; code(r) != codes.OK || r.Owner != "b" {
		t.Errorf("a new log: %v", r)
	}

	// A Scribe that comes up while another hangs is up at once.
	c := startScribe(t, "c")
	h.register(c)
	h.waitUp("c", true)
	a.wakeUp()
	h.waitUp("a", true)
}

// After a restart, streams wait for the first check of a Scribe that is known, and no longer.
func TestRestartWithHungScribe(t *testing.T) {
	h, a, b := startMediator(t, Config{HealthInterval: time.Second}), startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	logA, logB := h.logOf("a"), h.logOf("b")
	a.hang()
	h = h.restart()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s := h.begin(ctx)
	s.line(logB, "x")
	if r := s.receipts()[logB]; code(r) != codes.OK {
		t.Error(r)
	}
	s = h.begin(ctx)
	s.line(logA, "x")
	if r := s.receipts()[logA]; code(r) != codes.Unavailable || !strings.Contains(r.Detail, "DeadlineExceeded") {
		t.Error(r)
	}
}
