package mediator

import (
	"context"
	"errors"
	"fmt"
	"io"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// upstream is one Append stream to a Scribe on behalf of a relay, used by the relay's goroutine alone.
type upstream struct {
	scribe *scribe
	stream grpc.ClientStream
	ctx    context.Context // ends with the relay, or when the Scribe goes down, which is its cause then
	cancel context.CancelCauseFunc

	// After over is set, nothing can be sent; then one of the others is what the stream ended with.
	over     bool
	response *logscribev1.AppendResponse
	err      error
}

var appendStream = &grpc.StreamDesc{StreamName: "Append", ClientStreams: true}

// openUpstream opens a stream to the Scribe and sends hello. It waits for a Scribe that has not been checked yet, and
// for nothing else. Without an error the caller must call cancel.
func openUpstream(ctx context.Context, s *scribe, hello *logscribev1.AppendRequest) (*upstream, error) {
	bound, cancel, err := s.bind(ctx)
	if err != nil {
		return nil, err
	}
	u := &upstream{scribe: s, ctx: bound, cancel: cancel}
	// What is sent is not kept for a transparent retry on another connection: that would hold 256 KiB a stream.
	u.stream, err = s.conn.NewStream(bound, appendStream, logscribev1.Scribe_Append_FullMethodName,
		grpc.MaxRetryRPCBufferSize(0))
	if err != nil {
		err = u.explain(err)
		cancel(nil)
		return nil, err
	}
	u.send(hello)
	return u, nil
}

// send passes on a message, either a *transport.Frame or an AppendRequest, and waits while the Scribe's flow control
// window is full. When the stream is over the message is dropped.
func (u *upstream) send(m any) {
	if u.over {
		return
	}
	err := u.stream.SendMsg(m)
	switch {
	case errors.Is(err, io.EOF): // the stream has ended; receiving tells how
		u.receive()
	case err != nil:
		u.over, u.err = true, u.explain(err)
	}
}

// finish closes the sending side and waits for the Scribe's response.
func (u *upstream) finish() {
	if u.over {
		return
	}
	if err := u.stream.CloseSend(); err != nil {
		u.over, u.err = true, u.explain(err)
		return
	}
	u.receive()
}

func (u *upstream) receive() {
	response := new(logscribev1.AppendResponse)
	err := u.stream.RecvMsg(response)
	u.over = true
	if err != nil {
		u.err = u.explain(err)
		return
	}
	u.response = response
}

// explain returns what has ended the stream in words that name the Scribe, and has the Scribe checked if it seems to
// be gone.
func (u *upstream) explain(err error) error {
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	st := status.Convert(err)
	if st.Code() == codes.Unavailable {
		u.scribe.suspect()
	}
	return &upstreamError{scribe: u.scribe.String(), status: st}
}

// upstreamError is what a Scribe has ended a call with.
type upstreamError struct {
	scribe string
	status *status.Status
}

func (e *upstreamError) Error() string { return fmt.Sprintf("%s: %s", e.scribe, e.status.Message()) }

// failureCode sorts what has ended a whole upstream into the code of its logs' receipts. All but one are UNAVAILABLE,
// try again later: what one log or block has done to the stream must not be taken for a verdict on every block in it.
// The exception is a Scribe of another release that does not know what it was sent: only the sender can change that.
func failureCode(err error) codes.Code {
	if e, ok := errors.AsType[*upstreamError](err); ok && e.status.Code() == codes.Unimplemented {
		return codes.Unimplemented
	}
	return codes.Unavailable
}
