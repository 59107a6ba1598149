package transport

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
)

// connectTimeout is how long an address may take to answer before its turn is over; reconnectDelay is the longest wait
// before all addresses are tried again.
const (
	connectTimeout = 5 * time.Second
	reconnectDelay = 5 * time.Second
)

const scheme = "logscribe"

// Dial returns a connection to the first of the addresses, each HOST:PORT, that can be reached, in that order; the
// next one is tried when one fails, or does not answer at once. It does not wait for the connection, which is made by
// the first call and made again whenever it was lost. Further options, such as grpc.WithContextDialer for a server in
// the same process, override the shared ones.
func Dial(addrs []string, creds *Credentials, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	if len(addrs) == 0 {
		return nil, errors.New("no address to connect to")
	}
	static := &staticResolver{}
	for _, a := range addrs {
		address, err := parseAddress(a)
		if err != nil {
			return nil, err
		}
		static.state.Addresses = append(static.state.Addresses, address)
	}
	shared := []grpc.DialOption{
		grpc.WithTransportCredentials(creds.transport()),
		grpc.WithResolvers(static),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(Codec()), grpc.MaxCallRecvMsgSize(MaxMessageSize), grpc.MaxCallSendMsgSize(MaxMessageSize)),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectDelay},
			MinConnectTimeout: connectTimeout,
		}),
	}
	// The endpoint in the target is looked at only to choose a proxy; the addresses come from the resolver.
	target := scheme + ":///" + url.PathEscape(static.state.Addresses[0].Addr)
	conn, err := grpc.NewClient(target, append(shared, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addrs[0], err)
	}
	return conn, nil
}

// parseAddress names the dialled host as the server's name, which is what its certificate is verified against.
func parseAddress(addr string) (resolver.Address, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return resolver.Address{}, fmt.Errorf("bad address %q: it must be HOST:PORT", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return resolver.Address{}, fmt.Errorf("bad address %q: the port must be a number from 1 to 65535", addr)
	}
	if host == "" {
		addr = net.JoinHostPort("localhost", port)
	}
	return resolver.Address{Addr: addr, ServerName: addr}, nil
}

// staticResolver answers with the same addresses always. Names stay unresolved until they are dialled, so that a
// changed DNS record counts from the next connection on.
type staticResolver struct{ state resolver.State }

func (r *staticResolver) Scheme() string { return scheme }

func (r *staticResolver) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	_ = cc.UpdateState(r.state) // an error asks to resolve again, which would change nothing
	return r, nil
}

func (r *staticResolver) ResolveNow(resolver.ResolveNowOptions) {}

func (r *staticResolver) Close() {}
