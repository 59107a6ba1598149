package scribe

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

// Log implements logscribe.v1.Scribe.
func (s *Scribe) Log(ctx context.Context, request *logscribev1.LogRequest) (*logscribev1.LogResponse, error) {
	s.received.calls.Add(1)
	err := s.log(ctx, request)
	if fenced, ok := errors.AsType[*store.FencedError](err); ok {
		grpc.SetTrailer(ctx, metadata.Pairs("scribe-epoch", strconv.FormatUint(fenced.Seen, 10)))
	}
	if err != nil {
		return nil, statusOf(err)
	}
	return &logscribev1.LogResponse{}, nil
}

// log appends lines and returns once they are committed.
func (s *Scribe) log(ctx context.Context, request *logscribev1.LogRequest) error {
	name, lines := request.Log, request.Lines
	if err := logname.Check(name); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if len(lines) > block.MaxRawSize {
		return status.Errorf(codes.InvalidArgument, "log %q: %d bytes of lines in one call, the limit is %d", name, len(lines), block.MaxRawSize)
	}
	if len(lines) == 0 || lines[len(lines)-1] != '\n' {
		lines = append(lines, '\n')
	}
	epoch, err := s.epoch(ctx, name, request.Owner, request.Epoch)
	if err != nil {
		return err
	}
	if err := s.store.Claim(name, epoch); err != nil {
		return err
	}
	ticket, err := s.store.AppendLines(name, epoch, lines)
	if err != nil {
		return err
	}
	s.console.show(lines)
	if err := s.store.Commit(ctx); err != nil {
		return err
	}
	return ticket.Lost()
}
