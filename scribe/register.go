package scribe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

const (
	registerTimeout  = 5 * time.Second
	registerRetryMin = 100 * time.Millisecond
	registerRetryMax = 5 * time.Second
)

// registration keeps the Scribe known to its mediators.
type registration struct {
	scribe    *Scribe
	mediators []mediator
	request   *logscribev1.RegisterRequest
}

type mediator struct {
	addr   string
	conn   *grpc.ClientConn
	client logscribev1.RegistryClient
	state  *registered
}

func (s *Scribe) newRegistration() (*registration, error) {
	root := s.store.Root()
	r := &registration{scribe: s, request: &logscribev1.RegisterRequest{
		Id: s.id, Address: s.advertised(), Root: root[:], Software: s.cfg.Software,
	}}
	for _, addr := range s.cfg.Mediators {
		conn, err := transport.Dial([]string{addr}, s.clientTL)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("mediator %s: %w", addr, err), r.close())
		}
		r.mediators = append(r.mediators, mediator{addr: addr, conn: conn, client: logscribev1.NewRegistryClient(conn), state: &registered{}})
	}
	return r, nil
}

// advertised returns where mediators reach this Scribe; without a host, which they find out themselves, unless the
// operator named one.
func (s *Scribe) advertised() string {
	if s.cfg.Advertise != "" {
		return s.cfg.Advertise
	}
	addr := s.listener.Addr()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return ":" + strconv.Itoa(tcp.Port)
	}
	return addr.String()
}

// run registers with all mediators, again and again, until ctx ends.
func (r *registration) run(ctx context.Context) error {
	var group errgroup.Group
	for _, m := range r.mediators {
		group.Go(func() error {
			r.keep(ctx, m)
			return nil
		})
	}
	group.Wait() // its functions return no errors
	return r.close()
}

// keep registers with one mediator until ctx ends.
func (r *registration) keep(ctx context.Context, m mediator) {
	retry := registerRetryMin
	known := false
	for {
		wait, err := r.register(ctx, m)
		m.state.set(err)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !known:
			r.scribe.logger.Info("registered", "mediator", m.addr, "id", r.scribe.id)
			known, retry = true, registerRetryMin
		case err != nil:
			if known || retry == registerRetryMin || retry == registerRetryMax {
				r.scribe.logger.Warn("can't register with a mediator, trying again", "mediator", m.addr, "error", err)
			}
			known = false
			wait = retry + rand.N(retry)
			retry = min(2*retry, registerRetryMax)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// register registers once and returns when to do so again.
func (r *registration) register(ctx context.Context, m mediator) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	response, err := m.client.Register(ctx, r.request)
	if err != nil {
		return 0, err
	}
	return max(time.Duration(response.AgainAfterMs)*time.Millisecond, registerRetryMin), nil
}

// maxEpoch bounds the epochs: they grow by one with each change of owner, and must never overflow.
const maxEpoch = math.MaxInt64

// epoch returns the epoch in which lines for the log are written, or an error if they are for another Scribe. What comes
// without one, not through a mediator, is taken by a Scribe on its own; a registered one asks whether it owns the log, so
// that no two Scribes write it.
func (s *Scribe) epoch(ctx context.Context, log, owner string, claimed uint64) (uint64, error) {
	if owner != "" && owner != s.id {
		return 0, status.Errorf(codes.FailedPrecondition, "log %q is for Scribe %s, and this is %s", log, owner, s.id)
	}
	if claimed > maxEpoch {
		return 0, status.Errorf(codes.InvalidArgument, "log %q: epoch %d is none that a mediator gives", log, claimed)
	}
	if claimed != 0 || s.registry == nil {
		return claimed, nil
	}
	var err error
	for _, m := range s.registry.mediators {
		var owner *logscribev1.ResolveResponse
		owner, err = m.client.Resolve(ctx, &logscribev1.ResolveRequest{Log: log})
		if err != nil {
			continue
		}
		if owner.Owner != s.id {
			return 0, status.Errorf(codes.FailedPrecondition,
				"log %q belongs to Scribe %s; send it through the mediator %s", log, owner.Owner, m.addr)
		}
		return owner.Epoch, nil
	}
	return 0, status.Errorf(codes.Unavailable, "can't ask a mediator who owns log %q: %v", log, err)
}

func (r *registration) close() error {
	var errs []error
	for _, m := range r.mediators {
		errs = append(errs, m.conn.Close())
	}
	return errors.Join(errs...)
}
