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
	last    map[place]uint64
	opened  map[string]int // streams in flight, by agent and log
	streams int
	shared  [][]string                                     // the logs of each stream
	receipt func(log string) *logscribev1.Receipt          // if it returns nil, the true one is sent
	before  func(ctx context.Context, logs []string) error // called before the receipts
	poison  string                                         // a log's blocks that hold it are refused
	strict  bool                                           // and their streams too
	faults  []string
}

// place is what the lines of one producer in one log are numbered by.
type place struct {
	producer block.Producer
	log      string
}

func (f *fakeScribe) Append(stream grpc.ClientStreamingServer[logscribev1.AppendRequest, logscribev1.AppendResponse]) error {
	in := fakeStream{fakeScribe: f, oldest: map[string]uint64{}, refused: map[string]bool{}}
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, log := range in.logs {
			f.opened[in.agent+" "+log]--
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
		in.take(m)
	}
	f.mu.Lock()
	f.streams++
	f.shared = append(f.shared, in.logs)
	before, refuse := f.before, f.strict && len(in.refused) > 0
	f.mu.Unlock()
	if refuse {
		return status.Error(codes.InvalidArgument, "poison")
	}
	if before != nil {
		if err := before(stream.Context(), in.logs); err != nil {
			return err
		}
	}
	return stream.SendAndClose(&logscribev1.AppendResponse{Receipts: in.receipts()})
}

// fakeStream is one Append call.
type fakeStream struct {
	*fakeScribe
	agent    string
	producer block.Producer
	logs     []string
	oldest   map[string]uint64
	refused  map[string]bool
}

func (f *fakeStream) receipts() (all []*logscribev1.Receipt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, log := range f.logs {
		r := &logscribev1.Receipt{Log: log, Committed: f.last[place{f.producer, log}], Owner: f.owners[log]}
		if f.refused[log] {
			r.Code, r.Detail = uint32(codes.InvalidArgument), "poison"
		}
		if f.receipt != nil {
			if other := f.receipt(log); other != nil {
				r = other
			}
		}
		all = append(all, r)
	}
	return all
}

func (f *fakeStream) take(m *logscribev1.AppendRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m := m.Message.(type) {
	case *logscribev1.AppendRequest_Hello:
		f.agent, f.producer = m.Hello.Agent, block.Producer(m.Hello.Producer)
	case *logscribev1.AppendRequest_Open:
		log := m.Open.Log
		f.logs, f.oldest[log] = append(f.logs, log), m.Open.Oldest
		if f.opened[f.agent+" "+log]++; f.opened[f.agent+" "+log] > 1 {
			f.faults = append(f.faults, "two streams in flight carry "+log)
		}
	case *logscribev1.AppendRequest_Block:
		if !f.refused[m.Block.Log] {
			f.takeBlock(m.Block)
		}
	}
}

func (f *fakeStream) takeBlock(m *logscribev1.Block) {
	at := place{f.producer, m.Log}
	b := block.Block{
		Log: m.Log, Producer: f.producer, First: m.First, Count: m.Count, Codec: block.Codec(m.Codec), RawSize: m.RawSize,
		CRC: m.Crc, Payload: m.Payload, Reached: block.Checkpoint{Source: m.Source, Value: m.Checkpoint},
	}
	lines, err := b.Lines(nil)
	if err := errors.Join(err, b.Verify()); err != nil {
		f.faults = append(f.faults, err.Error())
	}
	switch {
	case f.poison != "" && bytes.Contains(lines, []byte(f.poison)):
		f.refused[m.Log] = true
		return
	case b.First <= f.last[at]:
		return
	case b.First != f.last[at]+1 && b.First != f.oldest[m.Log]:
		f.faults = append(f.faults, fmt.Sprintf("%s: line %d after %d", m.Log, b.First, f.last[at]))
	}
	f.lines[m.Log] = append(f.lines[m.Log], lines...)
	f.last[at] = b.Last()
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
	spool   *spool.Spool
	log     *logBuffer
	server  *transport.Server
	addr    string
	shipper *Shipper
	conn    *grpc.ClientConn
	stop    func() // stops shipper and spool
}

// agent returns a bench beside b with the same Scribe.
func (b *bench) agent(t *testing.T, path string) *bench {
	t.Helper()
	other := &bench{fakeScribe: b.fakeScribe, log: b.log, addr: b.addr}
	other.start(t, path)
	t.Cleanup(func() { other.stop() })
	return other
}

// start returns a bench with a new spool.
func start(t *testing.T) *bench {
	t.Helper()
	b := startScribe(t)
	b.start(t, filepath.Join(t.TempDir(), "spool.db"))
	return b
}

// startScribe returns a bench with a fake Scribe alone.
func startScribe(t *testing.T) *bench {
	t.Helper()
	t.TempDir() // so that spools are closed before their folder is removed: they would put their files back
	b := &bench{log: &logBuffer{}, stop: func() {}, fakeScribe: &fakeScribe{
		owners: map[string]string{}, lines: map[string][]byte{}, last: map[place]uint64{}, opened: map[string]int{},
	}}
	b.serve(t, "127.0.0.1:0")
	t.Cleanup(func() {
		b.stop()
		b.server.Shutdown(time.Second)
		for _, f := range b.faults {
			t.Error(f)
		}
	})
	return b
}

// start opens a spool and ships it.
func (b *bench) start(t *testing.T, path string) {
	t.Helper()
	logger := textLogger(b.log)
	var err error
	if b.spool, err = spool.Open(path, spool.Options{Logger: logger}); err != nil {
		t.Fatal(err)
	}
	b.conn = b.dial(t)
	b.shipper = New(Config{Spool: b.spool, Conn: b.conn, Name: path, Logger: logger})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.shipper.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.conn.Close()
		if err := b.spool.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (b *bench) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := transport.Dial([]string{b.addr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return conn
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
