package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Credentials secure the connections of one server or client. A nil *Credentials is valid, and insecure. All methods
// are safe for concurrent use.
type Credentials struct {
	files  TLS
	config func(TLS) (*tls.Config, error)

	// What new connections use: complete credentials, replaced as a whole, so that certificate, key and authorities
	// always come from one load, and sessions resumed under the old authorities are not accepted under the new.
	current atomic.Pointer[credentials.TransportCredentials]

	logger     atomic.Pointer[slog.Logger]
	lastLogged atomic.Int64 // Unix time in seconds
}

func newCredentials(t TLS, config func(TLS) (*tls.Config, error)) (*Credentials, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if t.none() {
		return nil, nil
	}
	c := &Credentials{files: t, config: config}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// LogRefused makes a server log why it refused a client. Often nobody else can tell: the client of a TLS 1.3 handshake
// has ended its part by then and sees, at best, a connection that breaks. One refusal a second is logged at most.
func (c *Credentials) LogRefused(logger *slog.Logger) {
	if c != nil {
		c.logger.Store(logger)
	}
}

func (c *Credentials) refused(peer net.Addr, err error) {
	logger, now := c.logger.Load(), time.Now().Unix()
	if logger != nil && !errors.Is(err, io.EOF) && c.lastLogged.Swap(now) != now {
		logger.Warn("refused a connection", "peer", peer.String(), "error", err)
	}
}

// Reload reads the files again, for connections made from now on. After an error the old certificates stay in use.
func (c *Credentials) Reload() error { return Reload(c) }

// Adopt makes the certificates of another load of the same files those of connections made from now on. Both are nil
// where no files are set.
func (c *Credentials) Adopt(fresh *Credentials) {
	if c != nil {
		c.current.Store(fresh.current.Load())
	}
}

// Reload reloads several credentials, all or none.
func Reload(all ...*Credentials) error {
	fresh := make([]credentials.TransportCredentials, len(all))
	for i, c := range all {
		if c == nil {
			continue
		}
		config, err := c.config(c.files)
		if err != nil {
			return err
		}
		fresh[i] = credentials.NewTLS(config)
	}
	for i, c := range all {
		if c != nil {
			c.current.Store(&fresh[i])
		}
	}
	return nil
}

// transport returns the credentials in the form that gRPC takes.
func (c *Credentials) transport() credentials.TransportCredentials {
	if c == nil {
		return insecure.NewCredentials()
	}
	return reloading{c}
}

// reloading hands every handshake to the current credentials.
type reloading struct{ c *Credentials }

func (r reloading) now() credentials.TransportCredentials { return *r.c.current.Load() }

func (r reloading) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return r.now().ClientHandshake(ctx, authority, conn)
}

func (r reloading) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	peer := conn.RemoteAddr()
	secured, info, err := r.now().ServerHandshake(conn)
	if err != nil {
		r.c.refused(peer, err)
	}
	return secured, info, err
}

func (r reloading) Info() credentials.ProtocolInfo { return r.now().Info() }

func (r reloading) Clone() credentials.TransportCredentials { return r }

// OverrideServerName does nothing: the name to verify is the dialled host, and gRPC calls this for no one.
func (r reloading) OverrideServerName(string) error { return nil }
