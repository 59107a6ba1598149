package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

// fakeScribe keeps the lines that it is sent, by the rules of the protocol, and misbehaves as a test tells it.
type fakeScribe struct {
	logscribev1.UnimplementedScribeServer

	mu      sync.Mutex // guards what follows
	owners  map[string]string
	lines   map[string][]byte
	last    map[string]uint64
	opened  map[string]int // streams in flight, by log
	streams int
	shared  [][]string                                     // the logs of each stream
	receipt func(log string) *logscribev1.Receipt          // if it returns nil, the true one is sent
	before  func(ctx context.Context, logs []string) error // called before the receipts
	faults  []string
}

func (f *fakeScribe) Append(stream grpc.ClientStreamingServer[logscribev1.AppendRequest, logscribev1.AppendResponse]) error {
	var logs []string
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, log := range logs {
			f.opened[log]--
		}
	}()
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if open := m.GetOpen(); open != nil {
			logs = append(logs, open.Log)
		}
		f.take(m)
	}
	f.mu.Lock()
	f.streams++
	f.shared = append(f.shared, logs)
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if err := before(stream.Context(), logs); err != nil {
			return err
		}
	}
	return stream.SendAndClose(&logscribev1.AppendResponse{Receipts: f.receipts(logs)})
}

func (f *fakeScribe) receipts(logs []string) (all []*logscribev1.Receipt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, log := range logs {
		r := &logscribev1.Receipt{Log: log, Committed: f.last[log], Owner: f.owners[log]}
		if f.receipt != nil {
			if other := f.receipt(log); other != nil {
				r = other
			}
		}
		all = append(all, r)
	}
	return all
}

func (f *fakeScribe) take(m *logscribev1.AppendRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if open := m.GetOpen(); open != nil {
		if f.opened[open.Log]++; f.opened[open.Log] > 1 {
			f.faults = append(f.faults, "two streams in flight carry "+open.Log)
		}
	}
	b := m.GetBlock()
	if b == nil || b.First <= f.last[b.Log] {
		return
	}
	if b.First != f.last[b.Log]+1 {
		f.faults = append(f.faults, fmt.Sprintf("%s: line %d after %d", b.Log, b.First, f.last[b.Log]))
	}
	decoded := block.Block{Log: b.Log, First: b.First, Count: b.Count, Codec: block.Codec(b.Codec), RawSize: b.RawSize, Payload: b.Payload}
	lines, err := decoded.Lines(nil)
	if err != nil {
		f.faults = append(f.faults, err.Error())
	}
	f.lines[b.Log] = append(f.lines[b.Log], lines...)
	f.last[b.Log] = decoded.Last()
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// bench is a spool, a shipper that runs, and the fake Scribe that it ships to.
type bench struct {
	*fakeScribe
	spool  *spool.Spool
	log    *logBuffer
	server *transport.Server
	addr   string
}

func start(t *testing.T) *bench {
	t.Helper()
	b := &bench{log: &logBuffer{}, fakeScribe: &fakeScribe{
		owners: map[string]string{}, lines: map[string][]byte{}, last: map[string]uint64{}, opened: map[string]int{},
	}}
	var err error
	if b.spool, err = spool.Open(filepath.Join(t.TempDir(), "spool.db"), spool.Options{}); err != nil {
		t.Fatal(err)
	}
	b.serve(t, "127.0.0.1:0")
	conn, err := transport.Dial([]string{b.addr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	logger := textLogger(b.log)
	shipper := New(Config{Spool: b.spool, Conn: conn, Name: "test", Logger: logger})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- shipper.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		conn.Close()
		b.server.Shutdown(time.Second)
		if err := b.spool.Close(); err != nil {
			t.Error(err)
		}
		for _, f := range b.faults {
			t.Error(f)
		}
	})
	return b
}

// serve starts the fake Scribe's server.
func (b *bench) serve(t *testing.T, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	b.addr = listener.Addr().String()
	b.server = transport.NewServer(nil)
	logscribev1.RegisterScribeServer(b.server, b.fakeScribe)
	go b.server.Serve(listener)
}

func (b *bench) add(t *testing.T, log, lines string) {
	t.Helper()
	b.append(t, block.NewDraft(nil, log, []byte(lines), block.S2))
}

// addRaw adds an unencoded block.
func (b *bench) addRaw(t *testing.T, log, lines string) {
	t.Helper()
	b.append(t, block.NewDraft(nil, log, []byte(lines), block.None))
}

func (b *bench) append(t *testing.T, d block.Draft) {
	t.Helper()
	if err := b.spool.Append(t.Context(), spool.Batch{Drafts: []block.Draft{d}}); err != nil {
		t.Fatal(err)
	}
}

// change changes the fake's behaviour.
func (b *bench) change(f func(*fakeScribe)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.fakeScribe)
}

// eventually waits until the condition, called with the fake's lock held, is true.
func (b *bench) eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		b.mu.Lock()
		ok := condition()
		b.mu.Unlock()
		if ok {
			return
		}
	}
	t.Fatalf("it did not come to pass that %s", what)
}

func unavailable(owner string) *logscribev1.Receipt {
	return &logscribev1.Receipt{Owner: owner, Code: uint32(codes.Unavailable), Detail: "it is down"}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

var errBroken = status.Error(codes.Unavailable, "broken")
