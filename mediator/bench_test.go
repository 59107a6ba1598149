package mediator

import (
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/madelines"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// sink is a Scribe that reads, counts and forgets.
type sink struct {
	logscribev1.UnimplementedScribeServer
	bytes atomic.Int64
}

func (s *sink) Append(stream logscribev1.Scribe_AppendServer) error {
	var frame transport.Frame
	defer frame.Free()
	var log string
	for {
		err := stream.RecvMsg(&frame)
		if err == io.EOF {
			return stream.SendAndClose(&logscribev1.AppendResponse{Receipts: []*logscribev1.Receipt{{Log: log}}})
		}
		if err != nil {
			return err
		}
		s.bytes.Add(int64(frame.Data().Len()))
		if frame.Data().Len() < 200 && log == "" {
			m := new(logscribev1.AppendRequest)
			if proto.Unmarshal(frame.Data().Materialize(), m) == nil {
				log = m.GetOpen().GetLog()
			}
		}
	}
}

// BenchmarkStageRelay sends blocks of a few lines, and of the usual size, from a client through a mediator to a Scribe that
// does nothing, all in one process: the figures are for all three, and for the direct way without the mediator in between.
func BenchmarkStageRelay(b *testing.B) {
	for _, size := range []int{4 << 10, block.TargetRawSize} {
		for _, way := range []string{"direct", "relayed"} {
			b.Run(way+"/"+strconv.Itoa(size>>10)+"KiB", func(b *testing.B) { benchmarkRelay(b, size, way == "relayed") })
		}
	}
}

func benchmarkRelay(b *testing.B, size int, relayed bool) {
	end := new(sink)
	scribe := serveScribe(b, end)
	target := scribe
	if relayed {
		h := startMediator(b, Config{})
		h.register(&fakeScribe{id: "a", addr: scribe})
		h.waitUp("a", true)
		target = h.Addr().String()
	}
	cc, err := transport.Dial([]string{target}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer cc.Close()
	raw := madelines.Of(size)
	payload := block.NewDraft(nil, "web/access", raw, block.S2).Payload
	stream, err := logscribev1.NewScribeClient(cc).Append(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	message := &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
		Log: "web/access", First: 1, Count: 1, Payload: payload,
	}}}
	for _, m := range []*logscribev1.AppendRequest{hello(), open("web/access")} {
		if err := stream.Send(m); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.Send(message); err != nil {
			b.Fatal(err)
		}
	}
	response, err := stream.CloseAndRecv()
	if err != nil || response.Receipts[0].Code != 0 {
		b.Fatal(response, err)
	}
	if got := end.bytes.Load(); got < int64(len(payload))*int64(b.N) {
		b.Fatalf("%d bytes arrived of %d blocks of %d", got, b.N, len(payload))
	}
}

// serveScribe serves an implementation and returns its address.
func serveScribe(b *testing.B, impl logscribev1.ScribeServer) string {
	b.Helper()
	server := transport.NewServer(nil, grpc.ForceServerCodecV2(transport.Codec()))
	logscribev1.RegisterScribeServer(server, impl)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(lis)
	b.Cleanup(func() { server.Shutdown(0) })
	return lis.Addr().String()
}
