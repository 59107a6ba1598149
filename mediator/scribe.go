package mediator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logscribe/logscribe/internal/transport"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// scribe is one registration of a Scribe: when the Scribe registers with another address or root, another scribe
// takes this one's place. It may be used by any number of goroutines.
type scribe struct {
	registration
	conn     *grpc.ClientConn
	interval time.Duration
	now      func() time.Time
	logger   *slog.Logger

	life    context.Context // of the registration; the cause says why it ended
	end     context.CancelCauseFunc
	wake    chan struct{} // capacity 1: asks for a check now; sent by anyone, never closed
	checked chan struct{} // closed by watch after the first check

	greeted atomic.Bool // the Scribe itself asked for the next check: it is worth waiting for its connection

	mu sync.Mutex
	// guarded by mu
	up        context.Context // of all that is relayed while the Scribe is up; nil while it is down
	goDown    context.CancelCauseFunc
	downSince time.Time // zero while it is up
	heard     time.Time // when it last registered
	trouble   error     // what the last check found, nil if nothing
}

// newScribe returns a scribe that counts as down until its first check; watch does the checks.
func newScribe(ctx context.Context, r registration, cfg Config, creds *transport.Credentials) (*scribe, error) {
	conn, err := transport.Dial([]string{r.address}, creds)
	if err != nil {
		return nil, err
	}
	s := &scribe{
		registration: r, conn: conn, interval: cfg.HealthInterval, now: cfg.now,
		logger:    cfg.Logger.With("scribe", r.id, "address", r.address),
		wake:      make(chan struct{}, 1),
		checked:   make(chan struct{}),
		downSince: cfg.now(),
		trouble:   errors.New("not yet checked"),
	}
	s.life, s.end = context.WithCancelCause(ctx)
	s.heard = s.downSince
	return s, nil
}

func (s *scribe) String() string { return fmt.Sprintf("Scribe %q at %s", s.id, s.address) }

// watch checks the Scribe's health at once, then at every interval and whenever it is woken, until life ends; then it
// closes the connection.
func (s *scribe) watch() {
	defer s.conn.Close()
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for first := true; ; first = false {
		err := s.check(s.life, s.greeted.Swap(false))
		if s.life.Err() != nil {
			return
		}
		s.setTrouble(err)
		if first {
			close(s.checked)
		}
		select {
		case <-s.life.Done():
		case <-ticker.C:
		case <-s.wake:
		}
	}
}

// check asks the Scribe whether it serves. A refused connection counts at once, unless the Scribe has just greeted.
func (s *scribe) check(ctx context.Context, greeted bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.interval)
	defer cancel()
	if greeted {
		s.conn.ResetConnectBackoff()
	}
	answer, err := healthpb.NewHealthClient(s.conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(greeted))
	switch {
	case err != nil:
		return fmt.Errorf("health check: %w", err)
	case answer.Status != healthpb.HealthCheckResponse_SERVING:
		return fmt.Errorf("health check: it answers %s", answer.Status)
	}
	return nil
}

// setTrouble makes the Scribe up, or down and everything that is relayed to it end.
func (s *scribe) setTrouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
	switch {
	case err == nil && s.up == nil:
		s.up, s.goDown = context.WithCancelCause(s.life)
		s.logger.Info("scribe is up", "after", s.now().Sub(s.downSince))
		s.downSince = time.Time{}
	case err != nil && s.up != nil:
		s.goDown(fmt.Errorf("%s is down: %w", s, err))
		s.up, s.goDown = nil, nil
		s.downSince = s.now()
		s.logger.Warn("scribe is down", "error", err)
	}
}

// greet notes that the Scribe has registered (again) and has it checked now.
func (s *scribe) greet() {
	s.mu.Lock()
	s.heard = s.now()
	s.mu.Unlock()
	s.greeted.Store(true)
	s.suspect()
}

// suspect has the Scribe checked now, because something that was relayed to it failed.
func (s *scribe) suspect() {
	select {
	case s.wake <- struct{}{}:
	default: // a check is due already
	}
}

// serving waits for the first check and returns the context that lives while the Scribe is up, or an error that says
// why it is not.
func (s *scribe) serving(ctx context.Context) (context.Context, error) {
	select {
	case <-s.checked:
	case <-s.life.Done():
		return nil, context.Cause(s.life)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up == nil {
		return nil, fmt.Errorf("%s is down: %w", s, s.trouble)
	}
	return s.up, nil
}

// bind returns a child of ctx that also ends, with the reason as its cause, when the Scribe goes down.
func (s *scribe) bind(ctx context.Context) (context.Context, context.CancelCauseFunc, error) {
	up, err := s.serving(ctx)
	if err != nil {
		return nil, nil, err
	}
	bound, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(up, func() { cancel(context.Cause(up)) })
	return bound, func(cause error) { stop(); cancel(cause) }, nil
}

// silentFor returns how long ago the Scribe last registered.
func (s *scribe) silentFor() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Sub(s.heard)
}

// state returns whether the Scribe is up, as far as is known without waiting; if it is not, since how long and why.
func (s *scribe) state() (up bool, downFor time.Duration, trouble error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up != nil {
		return true, 0, nil
	}
	return false, s.now().Sub(s.downSince), s.trouble
}
