package ship

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/madelines"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

// sink is a Scribe that takes all it is sent, and keeps nothing.
type sink struct {
	logscribev1.UnimplementedScribeServer
}

func (sink) Append(stream grpc.ClientStreamingServer[logscribev1.AppendRequest, logscribev1.AppendResponse]) error {
	last := logscribev1.Receipt{Owner: "sink"}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&logscribev1.AppendResponse{Receipts: []*logscribev1.Receipt{&last}})
		}
		if err != nil {
			return err
		}
		if b := m.GetBlock(); b != nil {
			last.Log, last.Committed = b.Log, b.First+uint64(b.Count)-1
		}
	}
}

// BenchmarkStageShip ships a spool of 256 blocks of the usual size over loopback, and settles them on their receipts. The
// figures are for both sides, and for opening the shipper.
func BenchmarkStageShip(b *testing.B) {
	const blocks = 256
	raw := madelines.Of(block.TargetRawSize)
	var batch spool.Batch
	for range 8 {
		batch.Drafts = append(batch.Drafts, block.NewDraft(nil, "a", raw, block.S2))
	}
	server := transport.NewServer(nil)
	logscribev1.RegisterScribeServer(server, sink{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(listener)
	b.Cleanup(func() { server.Shutdown(0) })
	conn, err := transport.Dial([]string{listener.Addr().String()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	b.SetBytes(int64(blocks * len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s, err := spool.Open(filepath.Join(b.TempDir(), "spool.db"), spool.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for range blocks / len(batch.Drafts) {
			if err := s.Append(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan struct{})
		b.StartTimer()
		go func() {
			defer close(ended)
			_ = New(Config{Spool: s, Conn: conn, Name: "bench", Logger: slog.New(slog.DiscardHandler)}).Run(ctx)
		}()
		if err := s.WaitEmpty(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		cancel()
		<-ended
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
