package transport

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

func peerOf(t testing.TB, conn *grpc.ClientConn) string {
	t.Helper()
	var p peer.Peer
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}, grpc.Peer(&p)); err != nil {
		t.Fatal(err)
	}
	return p.Addr.String()
}

func TestReflectionAndHealth(t *testing.T) {
	s, addr := serve(t, nil)
	conn := dial(t, nil, addr)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := &grpc_reflection_v1.ServerReflectionRequest_ListServices{}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: list}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil || !strings.Contains(answer.String(), "grpc.health.v1.Health") {
		t.Errorf("reflection: %v, %v", answer, err)
	}
	stream.CloseSend()
	stream.Recv()

	s.Health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	h, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || h.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %v, %v", h, err)
	}
}

// streamer serves one method, of a client stream, with the handler.
func streamer(handler func(grpc.ServerStream) error) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "test.Streamer",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName: "Stream", ClientStreams: true, ServerStreams: true,
			Handler: func(_ any, s grpc.ServerStream) error { return handler(s) },
		}},
	}
}

var bidi = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

func TestShutdownIsBounded(t *testing.T) {
	const grace = 200 * time.Millisecond
	begin := func(t *testing.T, handler func(grpc.ServerStream) error) (*Server, *grpc.ClientConn, string) {
		s := NewServer(nil)
		s.RegisterService(streamer(handler), struct{}{})
		addr := start(t, s)
		conn := dial(t, nil, addr)
		stream, err := conn.NewStream(t.Context(), bidi, "/test.Streamer/Stream")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Header(); err != nil {
			t.Fatal(err)
		}
		return s, conn, addr
	}
	stop := func(t *testing.T, s *Server, min, max time.Duration) error {
		t.Helper()
		at := time.Now()
		err := s.Shutdown(grace)
		if d := time.Since(at); d < min || d > max {
			t.Errorf("Shutdown took %s, want %s to %s", d, min, max)
		}
		return err
	}
	headers := func(s grpc.ServerStream) { _ = s.SendHeader(nil) }

	t.Run("nothing in progress", func(t *testing.T) {
		s, addr := serve(t, nil)
		if err := ping(t, dial(t, nil, addr)); err != nil {
			t.Fatal(err)
		}
		if err := stop(t, s, 0, grace); err != nil {
			t.Error(err)
		}
	})
	t.Run("a call ends within the grace", func(t *testing.T) {
		finished := false
		s, _, _ := begin(t, func(s grpc.ServerStream) error {
			headers(s)
			time.Sleep(grace / 4)
			finished = s.Context().Err() == nil
			return nil
		})
		if err := stop(t, s, 0, grace); err != nil || !finished {
			t.Errorf("error %v, finished %t", err, finished)
		}
	})
	t.Run("a call is cancelled", func(t *testing.T) {
		s, _, _ := begin(t, func(s grpc.ServerStream) error {
			headers(s)
			<-s.Context().Done()
			return nil
		})
		if err := stop(t, s, grace, 2*grace); err != nil {
			t.Error(err)
		}
	})
	t.Run("a call ignores its context", func(t *testing.T) {
		free := make(chan struct{})
		s, _, _ := begin(t, func(s grpc.ServerStream) error {
			headers(s)
			<-free
			return nil
		})
		if err := stop(t, s, 2*grace, 4*grace); err == nil {
			t.Error("no error")
		}
		close(free)
	})
	t.Run("a peer connects and says nothing", func(t *testing.T) {
		s, addr := serve(t, nil)
		conn := must[net.Conn](t)(net.Dial("tcp", addr))
		defer conn.Close()
		// The server has accepted the silent peer once it has accepted the one after it.
		if err := ping(t, dial(t, nil, addr)); err != nil {
			t.Fatal(err)
		}
		if err := stop(t, s, 0, 2*grace); err != nil {
			t.Error(err)
		}
	})
}

func TestMessageLimits(t *testing.T) {
	s := NewServer(nil)
	s.RegisterService(streamer(func(s grpc.ServerStream) error {
		m := new(healthpb.HealthCheckRequest)
		for {
			if err := s.RecvMsg(m); err != nil {
				return err
			}
			if err := s.SendMsg(m); err != nil {
				return err
			}
		}
	}), struct{}{})
	conn := dial(t, nil, start(t, s))
	echo := func(size int) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream, err := conn.NewStream(ctx, bidi, "/test.Streamer/Stream")
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&healthpb.HealthCheckRequest{Service: strings.Repeat("x", size)}); err != nil {
			return err
		}
		return stream.RecvMsg(new(healthpb.HealthCheckRequest))
	}
	if err := echo(MaxMessageSize - 8); err != nil {
		t.Errorf("largest message: %v", err)
	}
	if err := echo(MaxMessageSize + 1); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("too large a message: %v", err)
	}
}

// However fast a connection has been, a stream that nobody reads takes a window's worth and no more.
func TestUnreadStreamIsBounded(t *testing.T) {
	read := make(chan bool, 2)
	s := NewServer(nil)
	s.RegisterService(streamer(func(s grpc.ServerStream) error {
		m := new(healthpb.HealthCheckRequest)
		for <-read {
			read <- true
			if err := s.RecvMsg(m); err != nil {
				<-read
				return nil
			}
		}
		<-s.Context().Done()
		return nil
	}), struct{}{})
	conn := dial(t, nil, start(t, s))
	message := &healthpb.HealthCheckRequest{Service: strings.Repeat("x", 64<<10)}
	begin := func() grpc.ClientStream {
		stream, err := conn.NewStream(t.Context(), bidi, "/test.Streamer/Stream")
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}

	read <- true
	fast := begin()
	for range 500 {
		if err := fast.SendMsg(message); err != nil {
			t.Fatal(err)
		}
	}
	fast.CloseSend()
	fast.RecvMsg(new(healthpb.HealthCheckRequest)) // the end

	read <- false
	unread := begin()
	var sent atomic.Int64
	go func() {
		for unread.SendMsg(message) == nil {
			sent.Add(int64(len(message.Service)))
		}
	}()
	for before := int64(-1); before != sent.Load(); time.Sleep(100 * time.Millisecond) {
		before = sent.Load()
	}
	if n := sent.Load(); n > streamWindow+256<<10 {
		t.Errorf("%d bytes were taken", n)
	}
}
