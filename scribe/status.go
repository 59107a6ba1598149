package scribe

import (
	"context"
	"errors"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/scribe/store"
)

// codeOf sorts an error by what the sender can do about it; docs/protocol.md tells senders the same.
func codeOf(err error) codes.Code {
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	switch {
	case isA[*store.GapError](err):
		return codes.OutOfRange
	case isA[*store.FencedError](err), isA[*store.SupersededError](err):
		return codes.FailedPrecondition
	case errors.Is(err, block.ErrChecksum):
		return codes.DataLoss
	case errors.Is(err, block.ErrPayload):
		return codes.InvalidArgument
	case isDisk(err):
		return codes.ResourceExhausted
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return codes.Unavailable
	}
	return codes.Internal
}

// isDisk says whether the disk is full, failing or no longer writable: that may pass, and concerns the Scribe alone.
func isDisk(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// statusOf returns err as an error of gRPC.
func statusOf(err error) error {
	if _, ok := status.FromError(err); ok { // nil, or already one
		return err
	}
	return status.Error(codeOf(err), err.Error())
}
