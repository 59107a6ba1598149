package mediator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Resume asks all Scribes at once and passes their answers on as they come. It fails if one can't be asked, unless that
// one has been down for so long that its logs may get another owner. It implements the Scribe service.
func (m *Mediator) Resume(request *logscribev1.ResumeRequest, stream logscribev1.Scribe_ResumeServer) error {
	if err := m.knowsScribes(); err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	var sending sync.Mutex
	send := func(part *logscribev1.ResumeResponse) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(part)
	}
	asking, ctx := errgroup.WithContext(stream.Context())
	var answered atomic.Bool
	for _, s := range m.registry.all() {
		asking.Go(func() error {
			if m.absent(ctx, s) {
				return send(&logscribev1.ResumeResponse{Absent: []string{s.String()}})
			}
			answered.Store(true)
			return s.resume(ctx, request, send)
		})
	}
	err := asking.Wait()
	if err == nil && !answered.Load() {
		return status.Error(codes.Unavailable, errNoScribe.Error())
	}
	return err
}

// absent says whether the Scribe has been down for long.
func (m *Mediator) absent(ctx context.Context, s *scribe) bool {
	if _, err := s.serving(ctx); err == nil || m.cfg.FailoverAfter < 0 {
		return false
	}
	up, down, _ := s.state()
	return !up && down >= m.cfg.FailoverAfter
}

// knowsScribes returns an error while there may be Scribes that this mediator has not heard of: it began without a memory,
// and they come within the time after which they register again.
func (m *Mediator) knowsScribes() error {
	if left := 2*m.registry.again() - m.cfg.now().Sub(m.began); len(m.stored) == 0 && left > 0 {
		return fmt.Errorf("the mediator began without a memory: it waits %v more for all Scribes to register", left.Round(time.Second))
	}
	if len(m.registry.all()) == 0 {
		return errNoScribe
	}
	return nil
}

// resume makes the call to the Scribe and hands over the parts of its answer. The error is a status that names the
// Scribe.
func (s *scribe) resume(ctx context.Context, request *logscribev1.ResumeRequest, send func(*logscribev1.ResumeResponse) error) error {
	bound, cancel, err := s.bind(ctx)
	if err != nil {
		return callError(ctx, err)
	}
	defer cancel(nil)
	stream, err := logscribev1.NewScribeClient(s.conn).Resume(bound, request)
	for err == nil {
		var part *logscribev1.ResumeResponse
		if part, err = stream.Recv(); err == nil {
			err = send(part)
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case bound.Err() != nil:
		return callError(ctx, context.Cause(bound))
	}
	st := status.Convert(err)
	if st.Code() == codes.Unavailable {
		s.suspect()
	}
	return status.Error(st.Code(), fmt.Sprintf("%s: %s", s, st.Message()))
}
