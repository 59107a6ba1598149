package mediator

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// fakeScribe takes what it is sent and keeps it in memory. Unless it is told otherwise it acknowledges everything.
type fakeScribe struct {
	logscribev1.UnimplementedScribeServer
	t      testing.TB
	id     string
	root   uuid.UUID
	addr   string
	server *transport.Server
	served chan error

	mu sync.Mutex
	// guarded by mu
	hung       chan struct{} // while not nil, nothing is read or answered until it is closed
	refuse     error         // what streams end with after their first block
	forget     bool          // give no receipts
	seen       map[string]uint64
	streams    []*fakeStream
	lines      map[string][]string             // by log, from Log calls
	remembered []*logscribev1.SourceCheckpoint // what Resume answers
	resumed    []string                        // the identities it was called with
	listed     []string                        // the logs that it tells of
}

// fakeStream is what came in one Append.
type fakeStream struct {
	raw    [][]byte
	decode []*logscribev1.AppendRequest
	ended  error // how the stream ended, nil by its client's closing
	done   chan struct{}
}

func startScribe(t testing.TB, id string) *fakeScribe {
	t.Helper()
	return startScribeAt(t, id, "127.0.0.1:0", transport.TLS{})
}

// startOldScribe starts one of a release that does not know the Status service.
func startOldScribe(t testing.TB, id string) *fakeScribe {
	t.Helper()
	return startScribeWith(t, id, "127.0.0.1:0", transport.TLS{}, func(*fakeScribe) {})
}

func startScribeAt(t testing.TB, id, addr string, tls transport.TLS) *fakeScribe {
	t.Helper()
	return startScribeWith(t, id, addr, tls, func(f *fakeScribe) { logscribev1.RegisterStatusServer(f.server, fakeStatus{f: f}) })
}

func startScribeWith(t testing.TB, id, addr string, tls transport.TLS, register func(*fakeScribe)) *fakeScribe {
	t.Helper()
	creds, err := tls.Server()
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeScribe{
		t: t, id: id, root: uuid.New(), addr: lis.Addr().String(), served: make(chan error, 1),
		seen: make(map[string]uint64), lines: make(map[string][]string),
	}
	f.server = transport.NewServer(creds, grpc.ForceServerCodecV2(transport.Codec()), grpc.UnaryInterceptor(f.intercept))
	logscribev1.RegisterScribeServer(f.server, f)
	register(f)
	go func() { f.served <- f.server.Serve(lis) }()
	t.Cleanup(f.kill)
	return f
}

// kill ends the Scribe at once, as far as others can tell.
func (f *fakeScribe) kill() {
	f.wakeUp()
	f.server.Shutdown(time.Millisecond)
}

// hang stops the Scribe from reading and answering, as SIGSTOP does.
func (f *fakeScribe) hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hung = make(chan struct{})
}

func (f *fakeScribe) wakeUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hung != nil {
		close(f.hung)
		f.hung = nil
	}
}

// pause blocks while the Scribe hangs.
func (f *fakeScribe) pause() {
	f.mu.Lock()
	hung := f.hung
	f.mu.Unlock()
	if hung != nil {
		<-hung
	}
}

func (f *fakeScribe) intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	f.pause()
	return next(ctx, req)
}

func (f *fakeScribe) Append(stream logscribev1.Scribe_AppendServer) error {
	s := &fakeStream{done: make(chan struct{})}
	f.mu.Lock()
	f.streams = append(f.streams, s)
	f.mu.Unlock()
	receipts, err := f.take(stream, s)
	f.mu.Lock()
	s.ended = err
	f.mu.Unlock()
	close(s.done)
	if err != nil {
		return err
	}
	f.pause()
	return stream.SendAndClose(&logscribev1.AppendResponse{Receipts: receipts})
}

func (f *fakeScribe) take(stream logscribev1.Scribe_AppendServer, s *fakeStream) ([]*logscribev1.Receipt, error) {
	receipts := make(map[string]*logscribev1.Receipt)
	var frame transport.Frame
	defer frame.Free()
	for {
		f.pause()
		if err := stream.RecvMsg(&frame); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		raw := frame.Data().Materialize()
		m := new(logscribev1.AppendRequest)
		if err := proto.Unmarshal(raw, m); err != nil {
			return nil, err
		}
		f.mu.Lock()
		s.raw, s.decode = append(s.raw, raw), append(s.decode, m)
		refuse := f.refuse
		f.mu.Unlock()
		if err := f.note(m, receipts); err != nil {
			return nil, err
		}
		if refuse != nil && m.GetBlock() != nil {
			return nil, refuse
		}
	}
	var all []*logscribev1.Receipt
	for r := range maps.Values(receipts) {
		all = append(all, r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forget {
		return nil, nil
	}
	return all, nil
}

func (f *fakeScribe) note(m *logscribev1.AppendRequest, receipts map[string]*logscribev1.Receipt) error {
	if o := m.GetOpen(); o != nil {
		r := &logscribev1.Receipt{Log: o.Log}
		f.mu.Lock()
		if seen := f.seen[o.Log]; o.Epoch < seen {
			r.Code, r.Epoch = uint32(codes.FailedPrecondition), seen
		}
		f.mu.Unlock()
		receipts[o.Log] = r
	}
	if b := m.GetBlock(); b != nil {
		r := receipts[b.Log]
		if r == nil {
			return status.Errorf(codes.InvalidArgument, "Block of %q before its Open", b.Log)
		}
		r.Committed = b.First + uint64(b.Count) - 1
	}
	return nil
}

func (f *fakeScribe) Log(ctx context.Context, request *logscribev1.LogRequest) (*logscribev1.LogResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seen := f.seen[request.Log]; request.Epoch < seen {
		grpc.SetTrailer(ctx, metadata.Pairs(EpochTrailer, strconv.FormatUint(seen, 10)))
		return nil, status.Error(codes.FailedPrecondition, "an old epoch")
	}
	if f.refuse != nil {
		return nil, f.refuse
	}
	f.lines[request.Log] = append(f.lines[request.Log], string(request.Lines))
	return &logscribev1.LogResponse{}, nil
}

func (f *fakeScribe) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// stream returns the i-th stream that the Scribe got, once it has ended.
func (f *fakeScribe) stream(i int) *fakeStream {
	f.t.Helper()
	s := f.begun(i)
	select {
	case <-s.done:
	case <-time.After(5 * time.Second):
		f.t.Fatalf("stream %d of %s goes on", i, f.id)
	}
	return s
}

// begun returns the i-th stream once the Scribe got it.
func (f *fakeScribe) begun(i int) *fakeStream {
	f.t.Helper()
	for range 1000 {
		f.mu.Lock()
		if len(f.streams) > i {
			defer f.mu.Unlock()
			return f.streams[i]
		}
		f.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
	f.t.Fatalf("%s got no stream %d", f.id, i)
	return nil
}

// text returns the payloads of a log's blocks in the stream.
func (s *fakeStream) text(log string) string {
	var out []byte
	for _, m := range s.decode {
		if b := m.GetBlock(); b.GetLog() == log {
			out = append(out, b.Payload...)
		}
	}
	return string(out)
}

func (s *fakeStream) epoch(log string) uint64 {
	for _, m := range s.decode {
		if o := m.GetOpen(); o.GetLog() == log {
			return o.Epoch
		}
	}
	return 0
}
