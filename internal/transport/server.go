package transport

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// MaxMessageSize is the largest message that is sent or received: a block of the largest payload and its header.
const MaxMessageSize = block.MaxPayloadSize + 64<<10

// Flow control windows are fixed. gRPC's own estimate would let each stream of a fast sender grow to 16 MiB, and a
// server with a thousand agents behind one slow disk must be able to say how much memory that takes: one stream window
// each. A megabyte in flight is 10 MB/s of encoded data for each stream at 100 ms, and saturates a local network; the
// connection's window is credited on receipt, so that it bounds only what is on the wire.
const (
	streamWindow = 1 << 20
	connWindow   = 8 << 20
	bufferSize   = 64 << 10
)

// A silent peer is asked for a sign of life after keepaliveTime and given up keepaliveTimeout later. Clients ask more
// seldom than servers tolerate.
const (
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 5 * time.Second
	keepaliveMin     = 5 * time.Second
)

// handshakeTimeout bounds what a peer that connects and then says nothing can hold.
const handshakeTimeout = 5 * time.Second

// Server is a gRPC server with the options that all programs share, serving health and reflection.
type Server struct {
	*grpc.Server
	// Health answers grpc.health.v1. It says SERVING for the server as a whole from the beginning.
	Health *health.Server

	mu sync.Mutex
	// guarded by mu
	young []youngConn // in the order of their acceptance
}

// youngConn is a connection that may still be in its handshake. gRPC's Stop waits for handshakes, and leaves it to
// their timeout to end one whose peer is silent, so that Shutdown has to know these connections.
type youngConn struct {
	conn     net.Conn
	accepted time.Time
}

// NewServer returns a server that secures its connections with creds, which may be nil. Services are registered with
// the embedded grpc.Server before Serve is called.
func NewServer(creds *Credentials, opts ...grpc.ServerOption) *Server {
	shared := []grpc.ServerOption{
		grpc.Creds(creds.transport()),
		grpc.ForceServerCodecV2(Codec()),
		grpc.MaxRecvMsgSize(MaxMessageSize),
		grpc.MaxSendMsgSize(MaxMessageSize),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}
	s := &Server{Server: grpc.NewServer(append(shared, opts...)...), Health: health.NewServer()}
	healthpb.RegisterHealthServer(s.Server, s.Health)
	reflection.Register(s.Server)
	return s
}

// Serve accepts connections on lis until Shutdown, and then returns nil; it closes lis.
func (s *Server) Serve(lis net.Listener) error {
	err := s.Server.Serve(&listener{lis, s})
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Shutdown takes no new connections and calls, gives the calls in progress the time grace to end, cancels those that
// do not, and waits for their handlers. A handler that ignores its context for another grace is left behind, and
// Shutdown returns an error.
func (s *Server) Shutdown(grace time.Duration) error {
	s.Health.Shutdown()
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		s.GracefulStop()
	}()
	if within(graceful, grace) {
		return nil
	}
	s.closeYoung()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Stop()
		<-graceful
	}()
	if !within(stopped, max(grace, 100*time.Millisecond)) {
		return errors.New("calls are still in progress after the server was stopped")
	}
	return nil
}

func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// listener remembers young connections. It does not wrap them: gRPC reads a bare TCP connection without a buffer of
// its own, and sets its timeout in the kernel.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.server.remember(conn)
	}
	return conn, err
}

func (s *Server) remember(conn net.Conn) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	grown := 0
	for grown < len(s.young) && now.Sub(s.young[grown].accepted) > 2*handshakeTimeout {
		grown++
	}
	s.young = append(s.young[grown:len(s.young):len(s.young)], youngConn{conn, now})
}

func (s *Server) closeYoung() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, y := range s.young {
		y.conn.Close()
	}
	s.young = nil
}
