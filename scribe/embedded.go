package scribe

import (
	"context"
	"net"

	"google.golang.org/grpc/test/bufconn"
)

// pipeSize is the buffer, in bytes, of each direction of a connection in process.
const pipeSize = 1 << 20

// Embedded is a Scribe in the process of its only client: the same protocol and the same store, without a network.
type Embedded struct {
	*Scribe
	listener *bufconn.Listener
}

// NewEmbedded opens the store like New, but listens in process. Config's Listen, Mediators, Advertise and TLS must be
// zero.
func NewEmbedded(cfg Config) (*Embedded, error) {
	listener := bufconn.Listen(pipeSize)
	s, err := newScribe(cfg, listener)
	if err != nil {
		return nil, err
	}
	return &Embedded{Scribe: s, listener: listener}, nil
}

// Dialer returns the function that connects to the Scribe; it ignores the address.
func (e *Embedded) Dialer() func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return e.listener.DialContext(ctx) }
}
