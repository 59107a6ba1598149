package mediator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a running mediator and a client's connection to it.
type harness struct {
	*Mediator
	t    testing.TB
	cfg  Config
	conn *grpc.ClientConn
	stop func() // and checks that it stopped cleanly; also called when the test ends

	client   logscribev1.ScribeClient
	registry logscribev1.RegistryClient
}

const testInterval = 200 * time.Millisecond

// startMediator runs a mediator on a loopback port; what cfg leaves out is set for tests.
func startMediator(t testing.TB, cfg Config) *harness {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	if cfg.HealthInterval == 0 {
		cfg.HealthInterval = testInterval
	}
	if _, bench := t.(*testing.B); cfg.Logger == nil && !bench {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	h := &harness{Mediator: m, t: t, cfg: cfg}
	h.stop = sync.OnceFunc(func() {
		begin := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("it took %s to stop", d)
		}
		if h.conn != nil {
			h.conn.Close()
		}
	})
	t.Cleanup(h.stop)
	creds, err := cfg.TLS.Client()
	if err != nil {
		t.Fatal(err)
	}
	if h.conn, err = transport.Dial([]string{m.Addr().String()}, creds); err != nil {
		t.Fatal(err)
	}
	h.client, h.registry = logscribev1.NewScribeClient(h.conn), logscribev1.NewRegistryClient(h.conn)
	return h
}

// restart stops the mediator and starts another on the same data folder.
func (h *harness) restart() *harness {
	h.t.Helper()
	h.stop()
	return startMediator(h.t, h.cfg)
}

// register makes the fakes known.
func (h *harness) register(fakes ...*fakeScribe) {
	h.t.Helper()
	for _, f := range fakes {
		if err := h.tryRegister(f); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *harness) tryRegister(f *fakeScribe) error {
	_, err := h.registry.Register(h.t.Context(), &logscribev1.RegisterRequest{
		Id: f.id, Address: f.addr, Root: f.root[:], Software: "test",
	})
	return err
}

func (h *harness) resolve(log string) *logscribev1.ResolveResponse {
	h.t.Helper()
	r, err := h.registry.Resolve(h.t.Context(), &logscribev1.ResolveRequest{Log: log})
	if err != nil {
		h.t.Fatalf("resolve %s: %v", log, err)
	}
	return r
}

// logOf returns the name of a log that the Scribe of that identity owns.
func (h *harness) logOf(id string) string {
	h.t.Helper()
	for i := range 1000 {
		if log := fmt.Sprintf("logs/%d", i); h.resolve(log).Owner == id {
			return log
		}
	}
	h.t.Fatalf("no log falls to %s", id)
	return ""
}

func (h *harness) waitFor(what string, ok func(Stats) bool) {
	h.t.Helper()
	for range 1000 {
		if ok(h.Stats()) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.t.Fatalf("waited in vain for: %s; %+v", what, h.Stats())
}

func (h *harness) waitUp(id string, up bool) {
	h.t.Helper()
	h.waitFor(fmt.Sprintf("%s is up: %t", id, up), func(st Stats) bool {
		for _, s := range st.Scribes {
			if s.ID == id {
				return s.Up == up
			}
		}
		return false
	})
}

// sender is a client's Append stream.
type sender struct {
	t testing.TB
	logscribev1.Scribe_AppendClient
	next map[string]uint64
}

var producer = []byte("0123456789abcdef")

func hello() *logscribev1.AppendRequest {
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Hello{Hello: &logscribev1.Hello{
		Protocol: 1, Codecs: []logscribev1.Codec{logscribev1.Codec_CODEC_NONE}, Producer: producer, Agent: "test",
	}}}
}

func open(log string) *logscribev1.AppendRequest {
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Open{Open: &logscribev1.Open{Log: log, Oldest: 1}}}
}

// blockOf returns a block of one line.
func blockOf(log string, seq uint64, line string) *logscribev1.AppendRequest {
	d := block.NewDraft(nil, log, []byte(line+"\n"), block.None)
	b := d.Seal(block.Producer(producer), seq)
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
		Log: log, First: b.First, Count: b.Count, RawSize: b.RawSize, Crc: b.CRC, Payload: b.Payload,
	}}}
}

// begin opens a stream and says hello.
func (h *harness) begin(ctx context.Context) *sender {
	h.t.Helper()
	stream, err := h.client.Append(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	s := &sender{t: h.t, Scribe_AppendClient: stream, next: make(map[string]uint64)}
	s.send(hello())
	return s
}

func (s *sender) send(m *logscribev1.AppendRequest) {
	s.t.Helper()
	if err := s.Send(m); err != nil {
		_, why := s.CloseAndRecv()
		s.t.Fatalf("send: %v: %v", err, why)
	}
}

// line sends a line, and the log's Open before the first.
func (s *sender) line(log, line string) {
	s.t.Helper()
	if s.next[log] == 0 {
		s.send(open(log))
	}
	s.next[log]++
	s.send(blockOf(log, s.next[log], line))
}

// receipts ends the stream.
func (s *sender) receipts() map[string]*logscribev1.Receipt {
	s.t.Helper()
	response, err := s.CloseAndRecv()
	if err != nil {
		s.t.Fatal(err)
	}
	m := make(map[string]*logscribev1.Receipt)
	for _, r := range response.Receipts {
		if m[r.Log] != nil {
			s.t.Errorf("two receipts for %s", r.Log)
		}
		m[r.Log] = r
	}
	return m
}

func code(r *logscribev1.Receipt) codes.Code {
	if r == nil {
		return codes.Code(999)
	}
	return codes.Code(r.Code)
}

// clock is a time that only moves when told to.
type clock struct{ offset atomic.Int64 }

var clockStart = time.Now()

func (c *clock) now() time.Time          { return clockStart.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }
