package scribe

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

const (
	// protocolVersion is the version of the protocol that this release speaks.
	protocolVersion = 1
	// maxLogs bounds the logs of one stream.
	maxLogs = 4096
	// maxOpening bounds the logs that a stream opens at the same time: they share transactions of the ledger.
	maxOpening = 32
)

// intake is one Append stream.
type intake struct {
	scribe   *Scribe
	producer block.Producer
	member   *membership // nil without an identity
	logs     map[string]*streamLog
	order    []*streamLog // as the stream opened them
	opening  errgroup.Group
	*buffers
}

// buffers are what streams use one after the other.
type buffers struct {
	receiver receiver
	lines    []byte // decoded
}

// streamLog is one log of a stream.
type streamLog struct {
	name   string
	oldest uint64
	opened chan struct{} // closed when the log is open, or err says why not; before that nothing below may be looked at
	epoch  uint64
	ours   bool   // this Scribe may have lines of it
	sent   uint64 // the last sequence that the stream brought
	ticket store.Ticket
	err    error // why the log takes no more of this stream's blocks
}

var buffersPool = sync.Pool{New: func() any { return new(buffers) }}

// Append implements logscribe.v1.Scribe.
func (s *Scribe) Append(stream grpc.ClientStreamingServer[logscribev1.AppendRequest, logscribev1.AppendResponse]) error {
	in := intake{scribe: s, logs: map[string]*streamLog{}, buffers: buffersPool.Get().(*buffers)}
	in.opening.SetLimit(maxOpening)
	s.received.streams.Add(1)
	s.received.open.Add(1)
	defer s.received.open.Add(-1)
	ctx, stop := context.WithCancel(stream.Context())
	defer func() {
		stop()                // no opening of a log goes on
		_ = in.opening.Wait() // errors are in the logs
		in.receiver.release()
		buffersPool.Put(in.buffers)
	}()
	if err := in.hello(stream); err != nil {
		return err
	}
	defer in.member.leave()
	for {
		request, err := in.receiver.next(stream)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := in.take(ctx, request); err != nil {
			return err
		}
	}
	response, err := in.settle(ctx)
	if err != nil {
		return statusOf(err)
	}
	return stream.SendAndClose(response)
}

// hello takes the stream's first message.
func (in *intake) hello(stream grpc.ClientStreamingServer[logscribev1.AppendRequest, logscribev1.AppendResponse]) error {
	request, err := in.receiver.next(stream)
	if errors.Is(err, io.EOF) {
		return status.Error(codes.InvalidArgument, "the stream ended before its Hello")
	}
	if err != nil {
		return err
	}
	hello := request.GetHello()
	if hello == nil {
		return status.Error(codes.InvalidArgument, "a stream must begin with Hello")
	}
	if hello.Protocol != protocolVersion {
		return status.Errorf(codes.Unimplemented, "protocol version %d: this Scribe speaks %d", hello.Protocol, protocolVersion)
	}
	for _, codec := range hello.Codecs {
		if !block.Codec(codec).Known() {
			return status.Errorf(codes.Unimplemented, "codec %d: this Scribe knows none, s2 and zstd", codec)
		}
	}
	if len(hello.Producer) != len(in.producer) {
		return status.Errorf(codes.InvalidArgument, "the producer has %d bytes, a UUID has %d", len(hello.Producer), len(in.producer))
	}
	in.producer = block.Producer(hello.Producer)
	if in.member, err = in.scribe.identities.join(hello); err != nil {
		return statusOf(err)
	}
	return nil
}

// take handles a message after Hello. An error ends the stream; a log's own errors stay with the log.
func (in *intake) take(ctx context.Context, request *logscribev1.AppendRequest) error {
	switch m := request.Message.(type) {
	case *logscribev1.AppendRequest_Open:
		if in.logs[m.Open.Log] != nil {
			return status.Errorf(codes.InvalidArgument, "a second Open of log %q in one stream", m.Open.Log)
		}
		if len(in.logs) == maxLogs {
			return status.Errorf(codes.ResourceExhausted, "more than %d logs in one stream", maxLogs)
		}
		l := &streamLog{name: m.Open.Log, oldest: m.Open.Oldest, opened: make(chan struct{})}
		in.logs[l.name] = l
		in.order = append(in.order, l)
		in.opening.Go(func() error {
			defer close(l.opened)
			l.err = in.open(ctx, l, m.Open)
			return nil
		})
		return nil
	case *logscribev1.AppendRequest_Block:
		l := in.logs[m.Block.Log]
		if l == nil {
			return status.Errorf(codes.InvalidArgument, "a block of log %q came before its Open", m.Block.Log)
		}
		<-l.opened
		if !in.member.begin() {
			return status.Errorf(codes.FailedPrecondition, "identity %q: its next spool has taken over", in.member.name())
		}
		defer in.member.end()
		if l.err == nil {
			l.err = in.append(l, m.Block)
		}
		in.scribe.received.block(m.Block, l.err)
		return nil
	case *logscribev1.AppendRequest_Hello:
		return status.Error(codes.InvalidArgument, "a second Hello in one stream")
	}
	return status.Error(codes.InvalidArgument, "a message that is neither Open nor Block")
}

// open makes a log of the stream ready for blocks. It runs beside others.
func (in *intake) open(ctx context.Context, l *streamLog, open *logscribev1.Open) (err error) {
	if err := logname.Check(open.Log); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if l.epoch, err = in.scribe.epoch(ctx, open.Log, open.Owner, open.Epoch); err != nil {
		return err
	}
	l.ours = true
	return in.scribe.store.Claim(open.Log, l.epoch)
}

// append checks a block and gives it to the store.
func (in *intake) append(l *streamLog, m *logscribev1.Block) error {
	b := block.Block{
		Log: m.Log, Producer: in.producer, First: m.First, Count: m.Count,
		Codec: block.Codec(m.Codec), RawSize: m.RawSize, CRC: m.Crc, Payload: m.Payload,
		Reached: block.Checkpoint{Source: m.Source, Value: m.Checkpoint},
	}
	if b.Reached.Size() > block.MaxCheckpointSize {
		return status.Errorf(codes.InvalidArgument, "log %q: a checkpoint of %d bytes, %d are allowed", b.Log, b.Reached.Size(), block.MaxCheckpointSize)
	}
	if b.First == 0 || b.Count == 0 || b.First > math.MaxUint64-uint64(b.Count) {
		return status.Errorf(codes.InvalidArgument, "log %q: a block of %d lines at sequence %d", b.Log, b.Count, b.First)
	}
	if err := b.Verify(); err != nil {
		return err
	}
	lines, err := in.decode(&b)
	if err != nil {
		return err
	}
	l.sent = max(l.sent, b.Last())
	written, ticket, err := in.scribe.store.Append(store.Block{Block: &b, Lines: lines, Epoch: l.epoch, Oldest: l.oldest, Identity: in.member.name()})
	if err != nil {
		return err
	}
	l.ticket = ticket
	in.scribe.console.show(written)
	return nil
}

// decode returns the block's lines, nil if nobody needs them: the payload goes to the file as it is.
func (in *intake) decode(b *block.Block) ([]byte, error) {
	if in.scribe.console == nil && in.scribe.store.TakesFrame(b) {
		return nil, nil
	}
	lines, err := b.Lines(in.lines)
	if err == nil && b.Codec != block.None { // the lines of an unencoded block are its payload, not the buffer
		in.lines = lines[:0]
	}
	return lines, err
}

// settle commits what the stream brought and returns its receipts.
func (in *intake) settle(ctx context.Context) (*logscribev1.AppendResponse, error) {
	_ = in.opening.Wait() // errors are in the logs
	if err := in.scribe.store.Commit(ctx); err != nil {
		return nil, status.Errorf(codes.Unavailable, "nothing could be committed: %v", err)
	}
	if err := failpoint.Reach(failpoint.CommitReceipt); err != nil {
		return nil, err
	}
	response := &logscribev1.AppendResponse{}
	for _, l := range in.order {
		response.Receipts = append(response.Receipts, in.receipt(l))
	}
	return response, nil
}

func (in *intake) receipt(l *streamLog) *logscribev1.Receipt {
	r := &logscribev1.Receipt{Log: l.name}
	err := l.err
	if l.ours {
		r.Owner = in.scribe.id
		var lookup error
		if r.Committed, r.Epoch, lookup = in.scribe.store.Committed(l.name, in.producer); lookup != nil && err == nil {
			err = lookup
		}
	}
	if err == nil && r.Committed < l.sent {
		err = l.ticket.Lost()
	}
	if err != nil {
		answer := status.Convert(statusOf(err))
		r.Code, r.Detail = uint32(answer.Code()), answer.Message()
	}
	return r
}
