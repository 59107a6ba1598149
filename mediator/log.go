package mediator

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/logscribe/logscribe/internal/logname"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// EpochTrailer is the trailer in which a Scribe that refuses a Log with FAILED_PRECONDITION tells the highest epoch
// that it has seen for the log.
const EpochTrailer = "scribe-epoch"

// Log passes lines on to the log's owner. It implements the Scribe service.
func (m *Mediator) Log(ctx context.Context, request *logscribev1.LogRequest) (*logscribev1.LogResponse, error) {
	m.calls.Add(1)
	if err := logname.Check(request.GetLog()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	own, err := m.owners.resolve(ctx, request.GetLog())
	if err != nil {
		return nil, callError(ctx, err)
	}
	response, seen, err := m.logTo(ctx, own, request)
	if seen <= own.epoch {
		return response, err
	}
	// The owner has refused our epoch, so that nothing is written yet, and the call may be repeated with a better one.
	own, err = m.owners.raise(ctx, request.GetLog(), ownership{owner: own.owner, epoch: seen}).wait(ctx)
	if err != nil {
		return nil, callError(ctx, err)
	}
	response, _, err = m.logTo(ctx, own, request)
	return response, err
}

// logTo makes the call to the owner. With FAILED_PRECONDITION it also returns the epoch that the owner has seen, if it
// said so, otherwise 0.
func (m *Mediator) logTo(ctx context.Context, own ownership, request *logscribev1.LogRequest) (*logscribev1.LogResponse, uint64, error) {
	s := m.registry.get(own.owner)
	if s == nil {
		return nil, 0, status.Errorf(codes.Unavailable, "the log's owner, Scribe %q, is not known here", own.owner)
	}
	bound, cancel, err := s.bind(ctx)
	if err != nil {
		return nil, 0, callError(ctx, err)
	}
	defer cancel(nil)
	var trailer metadata.MD
	request.Epoch, request.Owner = own.epoch, own.owner
	response, err := logscribev1.NewScribeClient(s.conn).Log(bound, request, grpc.Trailer(&trailer))
	if err == nil {
		return response, 0, nil
	}
	if bound.Err() != nil {
		return nil, 0, callError(ctx, context.Cause(bound))
	}
	st := status.Convert(err)
	var seen uint64
	switch st.Code() {
	case codes.Unavailable:
		s.suspect()
	case codes.FailedPrecondition:
		if v := trailer.Get(EpochTrailer); len(v) == 1 {
			seen, _ = strconv.ParseUint(v[0], 10, 64)
		}
	}
	return nil, seen, status.Error(st.Code(), fmt.Sprintf("%s: %s", s, st.Message()))
}

// callError is the status of a call that did not get an answer from an owner: the call's own end, or UNAVAILABLE.
func callError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return status.FromContextError(ctx.Err()).Err()
	}
	return status.Error(codes.Unavailable, err.Error())
}
