package scribe

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/proto/legacy"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// start runs a Scribe and returns it with a connection to it; both end with the test.
func start(t *testing.T, cfg Config) (*Scribe, *grpc.ClientConn) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	cfg.ID = "test"
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	conn, err := transport.Dial([]string{s.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, conn
}

var producer = uuid.MustParse("00000000-0000-4000-8000-00000000000a")

func hello() *logscribev1.AppendRequest {
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Hello{Hello: &logscribev1.Hello{Protocol: 1, Producer: producer[:]}}}
}

func open(log string, oldest, epoch uint64) *logscribev1.AppendRequest {
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Open{Open: &logscribev1.Open{Log: log, Oldest: oldest, Epoch: epoch}}}
}

// blockOf makes a block; changes are made before it is sealed, so that its checksum fits them.
func blockOf(log string, first uint64, raw string, changes ...func(*block.Draft)) *logscribev1.AppendRequest {
	d := block.NewDraft(nil, log, []byte(raw), block.S2)
	for _, change := range changes {
		change(&d)
	}
	b := d.Seal(producer, first)
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
		Log: log, First: first, Count: b.Count, Codec: logscribev1.Codec(b.Codec), RawSize: b.RawSize, Crc: b.CRC, Payload: b.Payload,
	}}}
}

// send sends the messages in one stream and returns its receipts.
func send(t *testing.T, conn *grpc.ClientConn, messages ...*logscribev1.AppendRequest) (*logscribev1.AppendResponse, error) {
	t.Helper()
	stream, err := logscribev1.NewScribeClient(conn).Append(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	return stream.CloseAndRecv()
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestAppendWritesAndAcknowledges(t *testing.T) {
	root := t.TempDir()
	_, conn := start(t, Config{Path: root})
	messages := []*logscribev1.AppendRequest{
		hello(), open("web/a", 1, 0), blockOf("web/a", 1, "1\n\x00\xff\r\n"), open("b", 1, 3), blockOf("b", 1, "x\n"), blockOf("web/a", 3, "3\n"),
	}
	for range 2 { // a stream whose receipt was lost comes again
		response, err := send(t, conn, messages...)
		if err != nil {
			t.Fatal(err)
		}
		want := []*logscribev1.Receipt{
			{Log: "web/a", Committed: 3, Owner: "test"},
			{Log: "b", Committed: 1, Owner: "test", Epoch: 3},
		}
		if diff := cmp.Diff(want, response.Receipts, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
	wantFile(t, filepath.Join(root, "web/a.log"), "1\n\x00\xff\r\n3\n")
	wantFile(t, filepath.Join(root, "b.log"), "x\n")
}

// TestConsole has one console that reads and one that does not, which holds up nothing.
func TestConsole(t *testing.T) {
	r, w := io.Pipe()
	unread, stuck := io.Pipe()
	t.Cleanup(func() { unread.Close() }) // frees the goroutine that is left behind; runs after the Scribes' own clean-up
	for name, out := range map[string]io.Writer{"reading": w, "stuck": stuck} {
		_, conn := start(t, Config{Path: t.TempDir(), Console: out})
		for n := range 2 * consoleQueue {
			if _, err := logscribev1.NewScribeClient(conn).Log(t.Context(), &logscribev1.LogRequest{Log: "a", Lines: []byte("x\n")}); err != nil {
				t.Fatalf("%s, call %d: %v", name, n, err)
			}
			if name == "reading" {
				if got, err := bufio.NewReader(r).ReadString('\n'); got != "x\n" || err != nil {
					t.Errorf("the console shows %q, %v", got, err)
				}
			}
		}
	}
}

func TestTroubleOfOneLogStaysInItsReceipt(t *testing.T) {
	damage := func(d *block.Draft) { d.Payload[len(d.Payload)-1] ^= 1 }
	claim := func(lines uint32) func(*block.Draft) { return func(d *block.Draft) { d.Count = lines } }
	for name, c := range map[string]struct {
		log      string
		epoch    uint64
		messages []*logscribev1.AppendRequest
		want     codes.Code
		detail   string
	}{
		"bad name":        {"../a", 0, nil, codes.InvalidArgument, `bad log name "../a"`},
		"control":         {"a\x07", 0, nil, codes.InvalidArgument, "control character"},
		"damaged":         {"a", 0, []*logscribev1.AppendRequest{blockOf("a", 1, "1\n", damage)}, codes.DataLoss, "checksum"},
		"gap":             {"a", 0, []*logscribev1.AppendRequest{blockOf("a", 2, "1\n")}, codes.OutOfRange, "lines 1 to 1 are missing"},
		"old epoch":       {"fenced", 4, []*logscribev1.AppendRequest{blockOf("fenced", 1, "1\n")}, codes.FailedPrecondition, "epoch 5 has begun"},
		"no newline":      {"a", 0, []*logscribev1.AppendRequest{blockOf("a", 1, "1", claim(1))}, codes.InvalidArgument, "newline"},
		"no lines":        {"a", 0, []*logscribev1.AppendRequest{blockOf("a", 1, "")}, codes.InvalidArgument, "0 lines"},
		"a wrong count":   {"a", 0, []*logscribev1.AppendRequest{blockOf("a", 1, "1\n", claim(2))}, codes.InvalidArgument, "has 1 lines, not 2"},
		"sequence zero":   {"a", 0, []*logscribev1.AppendRequest{blockOf("a", 0, "1\n")}, codes.InvalidArgument, "sequence 0"},
		"a huge raw size": {"a", 0, []*logscribev1.AppendRequest{blockOf("a", 1, "1\n", func(d *block.Draft) { d.RawSize = 1 << 31 })}, codes.InvalidArgument, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, conn := start(t, Config{Path: t.TempDir()})
			if _, err := send(t, conn, hello(), open("fenced", 1, 5)); err != nil {
				t.Fatal(err)
			}
			messages := append([]*logscribev1.AppendRequest{hello(), open(c.log, 1, c.epoch)}, c.messages...)
			response, err := send(t, conn, append(messages, open("good", 1, 0), blockOf("good", 1, "1\n"))...)
			if err != nil {
				t.Fatal(err)
			}
			bad, good := response.Receipts[0], response.Receipts[1]
			if codes.Code(bad.Code) != c.want || !strings.Contains(bad.Detail, c.detail) || bad.Committed != 0 {
				t.Errorf("got %v", bad)
			}
			if good.Code != 0 || good.Committed != 1 {
				t.Errorf("the other log: %v", good)
			}
		})
	}
}

func TestBrokenStreamsAreRefused(t *testing.T) {
	_, conn := start(t, Config{Path: t.TempDir()})
	request := func(h *logscribev1.Hello) *logscribev1.AppendRequest {
		return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Hello{Hello: h}}
	}
	for name, c := range map[string]struct {
		messages []*logscribev1.AppendRequest
		want     codes.Code
		detail   string
	}{
		"nothing":          {nil, codes.InvalidArgument, "before its Hello"},
		"no hello":         {[]*logscribev1.AppendRequest{open("a", 1, 0)}, codes.InvalidArgument, "must begin with Hello"},
		"two hellos":       {[]*logscribev1.AppendRequest{hello(), hello()}, codes.InvalidArgument, "second Hello"},
		"unopened log":     {[]*logscribev1.AppendRequest{hello(), blockOf("a", 1, "1\n")}, codes.InvalidArgument, "before its Open"},
		"a second open":    {[]*logscribev1.AppendRequest{hello(), open("a", 1, 0), open("a", 1, 0)}, codes.InvalidArgument, "second Open"},
		"empty message":    {[]*logscribev1.AppendRequest{hello(), {}}, codes.InvalidArgument, "neither"},
		"protocol 2":       {[]*logscribev1.AppendRequest{request(&logscribev1.Hello{Protocol: 2, Producer: producer[:]})}, codes.Unimplemented, "version 2"},
		"codec 9":          {[]*logscribev1.AppendRequest{request(&logscribev1.Hello{Protocol: 1, Producer: producer[:], Codecs: []logscribev1.Codec{9}})}, codes.Unimplemented, "codec 9"},
		"a short producer": {[]*logscribev1.AppendRequest{request(&logscribev1.Hello{Protocol: 1, Producer: []byte{1}})}, codes.InvalidArgument, "1 bytes"},
	} {
		_, err := send(t, conn, c.messages...)
		if status.Code(err) != c.want || !strings.Contains(status.Convert(err).Message(), c.detail) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDirectCalls(t *testing.T) {
	root := t.TempDir()
	_, conn := start(t, Config{Path: root})
	client, old := logscribev1.NewScribeClient(conn), legacy.NewLogScribeClient(conn)
	if _, err := client.Log(t.Context(), &logscribev1.LogRequest{Log: "d/a", Lines: []byte("1\n2")}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*legacy.LogRequest{{Filename: "a", Path: "d", Line: "3"}, {Filename: "top", Line: "x\n"}} {
		response, err := old.Log(t.Context(), c)
		if err != nil || response.Res != "true" {
			t.Errorf("%v: %v, %v", c, response, err)
		}
	}
	wantFile(t, filepath.Join(root, "d/a.log"), "1\n2\n3\n")
	wantFile(t, filepath.Join(root, "top.log"), "x\n")
	for _, c := range []*legacy.LogRequest{{Filename: "../a"}, {Filename: "a", Path: "/etc"}, {Path: "d"}} {
		if _, err := old.Log(t.Context(), c); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestHealth(t *testing.T) {
	_, conn := start(t, Config{Path: t.TempDir()})
	response, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || response.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", response, err)
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	s, _ := start(t, Config{Path: t.TempDir()})
	_, err := New(Config{Listen: s.Addr().String(), Path: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), s.Addr().String()) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

// TestRegisteredScribeAsksWhoOwnsALog runs a registry that gives some logs to another Scribe.
func TestRegisteredScribeAsksWhoOwnsALog(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := transport.NewServer(nil)
	registry := &fakeRegistry{registered: make(chan *logscribev1.RegisterRequest, 100)}
	logscribev1.RegisterRegistryServer(server, registry)
	go server.Serve(listener)
	defer server.Shutdown(time.Second)

	s, conn := start(t, Config{Path: t.TempDir(), Mediators: []string{listener.Addr().String()}, Software: "v1"})
	got := <-registry.registered
	root := s.store.Root()
	want := &logscribev1.RegisterRequest{Id: "test", Address: s.Addr().String(), Root: root[:], Software: "v1"}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	<-registry.registered // it comes again

	client := logscribev1.NewScribeClient(conn)
	if _, err := client.Log(t.Context(), &logscribev1.LogRequest{Log: "mine", Lines: []byte("1\n")}); err != nil {
		t.Error(err)
	}
	_, err = client.Log(t.Context(), &logscribev1.LogRequest{Log: "other", Lines: []byte("1\n")})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "belongs to Scribe elsewhere") {
		t.Errorf("got %v", err)
	}
	for owner, want := range map[string]codes.Code{"": codes.OK, "test": codes.OK, "another": codes.FailedPrecondition} {
		_, err := client.Log(t.Context(), &logscribev1.LogRequest{Log: "other", Lines: []byte("1\n"), Epoch: 2, Owner: owner})
		if status.Code(err) != want {
			t.Errorf("a mediator that means Scribe %q: %v", owner, err)
		}
	}
	stray := open("other", 1, 2)
	stray.GetOpen().Owner = "another"
	response, err := send(t, conn, hello(), stray, blockOf("other", 1, "1\n"))
	if err != nil || codes.Code(response.Receipts[0].Code) != codes.FailedPrecondition || response.Receipts[0].Committed != 0 {
		t.Errorf("a stream for another Scribe: %v, %v", response, err)
	}
	// A stream that breaks the protocol ends, though a log of it is being opened.
	if _, err := send(t, conn, hello(), open("hangs", 1, 0), blockOf("never opened", 1, "1\n")); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a stream while the mediator does not answer: %v", err)
	}
}

type fakeRegistry struct {
	logscribev1.UnimplementedRegistryServer
	registered chan *logscribev1.RegisterRequest
}

func (f *fakeRegistry) Register(_ context.Context, r *logscribev1.RegisterRequest) (*logscribev1.RegisterResponse, error) {
	f.registered <- r
	return &logscribev1.RegisterResponse{AgainAfterMs: 1}, nil
}

func (f *fakeRegistry) Resolve(ctx context.Context, r *logscribev1.ResolveRequest) (*logscribev1.ResolveResponse, error) {
	if r.Log == "hangs" {
		<-ctx.Done()
	}
	owner := map[string]string{"mine": "test"}[r.Log]
	if owner == "" {
		owner = "elsewhere"
	}
	return &logscribev1.ResolveResponse{Owner: owner, Epoch: 1}, nil
}
