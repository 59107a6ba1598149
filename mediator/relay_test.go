package mediator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestRelayIsByteIdentical(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	h.register(f)
	rnd := rand.New(rand.NewPCG(1, 2))
	s := h.begin(t.Context())
	sent := []*logscribev1.AppendRequest{hello()}
	for _, log := range []string{"web/access", "äöü/日本", strings.Repeat("long/", 199) + "name"} {
		h.resolve(log) // or its Open would wait for a decision, and be passed on with the first block
		s.send(open(log))
		sent = append(sent, open(log))
	}
	for i := range 60 {
		payload := make([]byte, rnd.IntN(1<<(i%20)))
		for j := range payload {
			payload[j] = byte(rnd.Uint32())
		}
		log := sent[1+i%3].GetOpen().Log
		m := &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
			Log: log, First: uint64(1 + i/3), Count: 1, Codec: logscribev1.Codec(i % 5), Crc: rnd.Uint32(), RawSize: rnd.Uint32(), Payload: payload,
		}}}
		s.send(m)
		sent = append(sent, m)
	}
	largest := blockOf("web/access", 21, strings.Repeat("x", block.MaxPayloadSize-1))
	s.send(largest)
	sent = append(sent, largest)
	for log, r := range s.receipts() {
		if code(r) != codes.OK || r.Owner != "a" || r.Committed < 20 {
			t.Errorf("%s: %v", log, r)
		}
	}
	got := f.stream(0)
	if len(got.raw) != len(sent) {
		t.Fatalf("%d messages arrived, %d were sent", len(got.raw), len(sent))
	}
	for i, m := range sent {
		if o := m.GetOpen(); o != nil {
			o.Epoch, o.Owner = 1, "a"
		}
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.raw[i], want) {
			t.Errorf("message %d of %d bytes differs from the %d that were sent", i, len(got.raw[i]), len(want))
		}
	}
	h.waitFor("the blocks to be counted", func(st Stats) bool { return st.Streams == 1 && st.Blocks == 61 })
}

// One stream, several owners: each gets its own logs, in order, and the receipts come back as one.
func TestReceiptsAreMerged(t *testing.T) {
	h, a, b := startMediator(t, Config{}), startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	logA, logB := h.logOf("a"), h.logOf("b")
	b.set(func() { b.seen[logB] = 7 })
	s := h.begin(t.Context())
	for i := range 10 {
		s.line(logA, fmt.Sprint("a", i))
		s.line(logB, fmt.Sprint("b", i))
	}
	s.line("bad//name", "x")
	s.line(strings.Repeat("n", 3000), "x")
	s.line(strings.Repeat("n", 3000), "y")
	s.send(open("logs/opened-only"))
	got := s.receipts()
	if len(got) != 5 {
		t.Errorf("%d receipts", len(got))
	}
	if r := got[logA]; code(r) != codes.OK || r.Committed != 10 || r.Owner != "a" {
		t.Errorf("a's log: %v", r)
	}
	if r := got[logB]; code(r) != codes.FailedPrecondition || r.Owner != "b" {
		t.Errorf("b's log: %v", r)
	}
	if r := got["bad//name"]; code(r) != codes.InvalidArgument || !strings.Contains(r.Detail, "empty element") {
		t.Errorf("bad name: %v", r)
	}
	if r := got[strings.Repeat("n", 3000)]; code(r) != codes.InvalidArgument {
		t.Errorf("long name: %v", r)
	}
	if r := got["logs/opened-only"]; code(r) != codes.OK || r.Owner == "" {
		t.Errorf("opened only: %v", r)
	}
	for f, log := range map[*fakeScribe]string{a: logA, b: logB} {
		want := ""
		for i := range 10 {
			want += fmt.Sprintf("%s%d\n", f.id, i)
		}
		if got := f.stream(0).text(log); got != want {
			t.Errorf("%s got %q", f.id, got)
		}
	}
}

func TestViolations(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	h.register(f)
	with := func(change func(*logscribev1.Hello)) *logscribev1.AppendRequest {
		m := hello()
		change(m.GetHello())
		return m
	}
	raw := func(s string) rawMessage { return rawMessage(s) }
	for _, c := range []struct {
		name     string
		messages []any
		code     codes.Code
		want     string
	}{
		{"nothing at all", nil, codes.InvalidArgument, "Hello"},
		{"no hello", []any{open("l")}, codes.InvalidArgument, "begin with a Hello"},
		{"two hellos", []any{hello(), hello()}, codes.InvalidArgument, "second Hello"},
		{"version 0", []any{with(func(h *logscribev1.Hello) { h.Protocol = 0 })}, codes.Unimplemented, "version 0"},
		{"version 9", []any{with(func(h *logscribev1.Hello) { h.Protocol = 9 })}, codes.Unimplemented, "version 9"},
		{"short producer", []any{with(func(h *logscribev1.Hello) { h.Producer = []byte("x") })}, codes.InvalidArgument, "producer is 1 bytes"},
		{"no producer", []any{with(func(h *logscribev1.Hello) { h.Producer = nil })}, codes.InvalidArgument, "producer is 0 bytes"},
		{"huge hello", []any{with(func(h *logscribev1.Hello) { h.Agent = strings.Repeat("x", maxHead) })}, codes.InvalidArgument, "larger than"},
		{"block before open", []any{hello(), blockOf("web/access", 1, "x")}, codes.InvalidArgument, `"web/access" comes before its Open`},
		{"block before its open", []any{hello(), open("a"), blockOf("b", 1, "x")}, codes.InvalidArgument, `"b" comes before`},
		{"block without a log", []any{hello(), open("a"), blockOf("", 1, "x")}, codes.InvalidArgument, `"" comes before`},
		{"two opens", []any{hello(), open("a"), open("a")}, codes.InvalidArgument, `second Open of log "a"`},
		{"empty message", []any{hello(), &logscribev1.AppendRequest{}}, codes.InvalidArgument, "empty"},
		{"a message of the future", []any{hello(), raw("\x22\x01x")}, codes.Unimplemented, "no field 4"},
		{"garbage", []any{hello(), raw("GET / HTTP/1.1\r\n")}, codes.InvalidArgument, ""},
		{"garbage in a hello", []any{raw("\x0a\x03abc")}, codes.InvalidArgument, "malformed"},
		{"garbage in an open", []any{hello(), raw("\x12\x03\x0a\x09z")}, codes.InvalidArgument, "malformed"},
		{"garbage in a block", []any{hello(), raw("\x1a\x03\x0a\x09z")}, codes.InvalidArgument, "Block can't be decoded"},
		{"a name that is not UTF-8", []any{hello(), raw("\x12\x03\x0a\x01\xff")}, codes.InvalidArgument, "UTF-8"},
		{"two messages in one", []any{hello(), raw("\x12\x03\x0a\x01a\x12\x03\x0a\x01b")}, codes.InvalidArgument, "nothing else"},
		{"cut short", []any{hello(), raw("\x12\x09\x0a\x01a")}, codes.InvalidArgument, "nothing else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			stream, err := h.client.Append(ctx, grpc.ForceCodecV2(encoding.GetCodecV2("proto")))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range c.messages {
				if r, ok := m.(rawMessage); ok {
					// Unknown fields are encoded as they are: whatever bytes one likes.
					e := new(emptypb.Empty)
					e.ProtoReflect().SetUnknown([]byte(r))
					m = e
				}
				if stream.SendMsg(m) != nil {
					break
				}
			}
			_, err = stream.CloseAndRecv()
			if status.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ended with %v, want %s and %q", err, c.code, c.want)
			}
		})
	}
	// The mediator is none the worse for it.
	s := h.begin(t.Context())
	s.line("web/access", "x")
	if r := s.receipts()["web/access"]; code(r) != codes.OK {
		t.Error(r)
	}
}

type rawMessage string

func TestTooManyLogs(t *testing.T) {
	h := startMediator(t, Config{})
	s := h.begin(t.Context())
	for i := range maxLogs + 1 {
		if s.Send(open(fmt.Sprint("bad//", i))) != nil {
			break
		}
	}
	if _, err := s.CloseAndRecv(); status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
	// The largest response that is possible must fit into a message.
	s = h.begin(t.Context())
	for i := range maxLogs {
		s.send(open(fmt.Sprintf("%s/%04d", strings.TrimSuffix(strings.Repeat("nnn/", 248), "/"), i)))
	}
	if got := s.receipts(); len(got) != maxLogs {
		t.Errorf("%d receipts", len(got))
	}
}

func TestUpstreamFailures(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	h.register(f)
	for _, c := range []struct {
		name   string
		refuse error
		code   codes.Code
		want   string
	}{
		{"internal", status.Error(codes.Internal, "it burns"), codes.Unavailable, `Scribe "a" at 127.0.0.1:`},
		{"verdict on all", status.Error(codes.InvalidArgument, "bad"), codes.Unavailable, "bad"},
		{"unimplemented", status.Error(codes.Unimplemented, "codec 9"), codes.Unimplemented, "codec 9"},
		{"unavailable", status.Error(codes.Unavailable, "stopping"), codes.Unavailable, "stopping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.set(func() { f.refuse = c.refuse })
			s := h.begin(t.Context())
			for range 200 { // more than fits the window, so that some are sent after the refusal
				s.line("web/access", strings.Repeat("x", 10_000))
			}
			r := s.receipts()["web/access"]
			if code(r) != c.code || !strings.Contains(r.GetDetail(), c.want) || r.Owner != "a" || r.Committed != 0 {
				t.Errorf("%v", r)
			}
		})
	}
	f.set(func() { f.refuse, f.forget = nil, true })
	s := h.begin(t.Context())
	s.line("web/access", "x")
	if r := s.receipts()["web/access"]; code(r) != codes.Unavailable || !strings.Contains(r.Detail, "no receipt") {
		t.Errorf("a forgotten receipt: %v", r)
	}
}

func TestNoScribe(t *testing.T) {
	h := startMediator(t, Config{})
	s := h.begin(t.Context())
	s.line("web/access", "x")
	if r := s.receipts()["web/access"]; code(r) != codes.Unavailable || !strings.Contains(r.Detail, "no Scribe is up") || r.Owner != "" {
		t.Error(r)
	}
}

func TestClientGoesAway(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	h.register(f)
	ctx, cancel := context.WithCancel(t.Context())
	s := h.begin(ctx)
	s.line("web/access", "x")
	f.begun(0)
	cancel()
	if err := f.stream(0).ended; status.Code(err) != codes.Canceled {
		t.Errorf("the upstream ended with %v", err)
	}
	// While the client waits for the Scribe's receipts.
	f.hang()
	ctx, cancel = context.WithCancel(t.Context())
	s = h.begin(ctx)
	s.line("web/access", "x")
	f.begun(1)
	s.CloseSend()
	cancel()
	if _, err := s.CloseAndRecv(); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	f.wakeUp()
	f.stream(1)
}

// The stream that a killed Scribe leaves behind goes on for the logs of others, and what it had is answered.
func TestScribeDiesMidStream(t *testing.T) {
	h, a, b := startMediator(t, Config{}), startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	logA, logB := h.logOf("a"), h.logOf("b")
	s := h.begin(t.Context())
	s.line(logA, "one")
	s.line(logB, "one")
	a.begun(0)
	a.kill()
	h.waitUp("a", false)
	for range 100 {
		s.line(logA, "lost")
		s.line(logB, "two")
	}
	got := s.receipts()
	if r := got[logA]; code(r) != codes.Unavailable || !strings.Contains(r.Detail, `Scribe "a"`) || r.Owner != "a" {
		t.Errorf("a's log: %v", r)
	}
	if r := got[logB]; code(r) != codes.OK || r.Committed != 101 {
		t.Errorf("b's log: %v", r)
	}
}

// A Scribe that hangs holds up the receipts of others for a moment, not until its health check fails.
func TestHungScribeInASharedStream(t *testing.T) {
	h, a, b := startMediator(t, Config{HealthInterval: time.Hour}), startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	logA, logB := h.logOf("a"), h.logOf("b")
	s := h.begin(t.Context())
	s.line(logA, "one")
	s.line(logB, "one")
	a.begun(0)
	a.hang()
	got := s.receipts()
	if r := got[logA]; code(r) != codes.Unavailable || !strings.Contains(r.Detail, "stream of their own") || r.Owner != "a" {
		t.Errorf("a's log: %v", r)
	}
	if r := got[logB]; code(r) != codes.OK || r.Committed != 1 {
		t.Errorf("b's log: %v", r)
	}
}

// strictPool spoils what is given back to it and counts what is not.
type strictPool struct{ out atomic.Int64 }

func (p *strictPool) Get(n int) *[]byte {
	p.out.Add(1)
	b := make([]byte, n)
	return &b
}

func (p *strictPool) Put(b *[]byte) {
	p.out.Add(-1)
	full := (*b)[:cap(*b)]
	for i := range full {
		full[i] = 0xDD
	}
}

// The buffers of blocks that were relayed, and of those that were discarded, are given back, each once and not before
// its bytes were sent. (What a stream that is cut off has not read yet, gRPC leaves to the garbage collector.)
func TestBuffersAreGivenBack(t *testing.T) {
	pool := new(strictPool)
	h := startMediator(t, Config{options: []grpc.ServerOption{experimental.BufferPool(pool)}})
	a, b := startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	logA, logB := h.logOf("a"), h.logOf("b")
	fill := func(s *sender) (want string) {
		for i := range 100 {
			line := strings.Repeat(string(rune('a'+i%26)), 5000+i)
			want += line + "\n"
			s.line(logA, line)
			s.line(logB, line)
			s.line("bad//name", line)
		}
		return want
	}

	s := h.begin(t.Context())
	want := fill(s)
	s.receipts()
	if got := a.stream(0).text(logA); got != want {
		t.Error("a's log differs from what was sent")
	}
	a.set(func() { a.refuse = status.Error(codes.Internal, "no") })
	s = h.begin(t.Context())
	fill(s)
	s.receipts()

	for range 400 { // the transport gives its own back in its own time
		if pool.out.Load() == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d buffers were not given back", pool.out.Load())
}

func TestFailureCode(t *testing.T) {
	upstream := func(c codes.Code) error { return &upstreamError{"x", status.New(c, "")} }
	for c := codes.Code(1); c < 17; c++ {
		want := codes.Unavailable
		if c == codes.Unimplemented {
			want = c
		}
		if got := failureCode(fmt.Errorf("wrapped: %w", upstream(c))); got != want {
			t.Errorf("%s becomes %s", c, got)
		}
	}
	if got := failureCode(errors.New("down")); got != codes.Unavailable {
		t.Error(got)
	}
}

// TestOpensOfNewLogsArriveTogether, though the owners of these logs have yet to be chosen: the Scribe opens them together.
func TestOpensOfNewLogsArriveTogether(t *testing.T) {
	h, f := startMediator(t, Config{}), startScribe(t, "a")
	h.register(f)
	s := h.begin(t.Context())
	const logs = 50
	for i := range logs {
		s.send(open(fmt.Sprint("new/", i)))
	}
	for i := range logs {
		s.send(blockOf(fmt.Sprint("new/", i), 1, "x\n"))
	}
	s.receipts()
	for i, m := range f.stream(0).decode {
		if late := i > logs && m.GetOpen() != nil; late {
			t.Fatalf("message %d is an Open", i)
		}
	}
}
