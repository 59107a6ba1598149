package mediator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// protocolVersion is what this mediator speaks.
const protocolVersion = 1

// Limits of one stream. The receipts of maxLogs logs with the longest names fit in one message.
const (
	maxLogs = 4096
	maxHead = 16 << 10 // of a Hello or an Open, in bytes
)

// stragglerGrace is how much longer than another one a Scribe may take to answer, if a stream has logs of several.
const stragglerGrace = time.Second

// relay passes one Append stream on to the owners of its logs. All of it but the ends of several upstreams happens in
// the goroutine of the call.
type relay struct {
	m      *Mediator
	stream logscribev1.Scribe_AppendServer
	ctx    context.Context

	frame   transport.Frame // the message at hand
	scratch []byte          // for a log's name that lies across pieces of the message

	hello     *logscribev1.AppendRequest // nil until it came
	lanes     map[string]*lane
	order     []*lane     // in the order of their Opens
	settled   int         // how many of these, from the first on
	upstreams []*upstream // in the order of their opening

	blocks, bytes uint64
}

// lane is one log of a stream. It begins with an open request and a pending decision on the owner; settling it gives
// it either the upstream or a receipt that says why there is none.
type lane struct {
	log     string
	open    *logscribev1.AppendRequest
	pending *decision

	own     ownership
	up      *upstream
	receipt *logscribev1.Receipt
}

// Append relays a stream. It implements the Scribe service.
func (m *Mediator) Append(stream logscribev1.Scribe_AppendServer) error {
	r := &relay{
		m: m, stream: stream, ctx: stream.Context(),
		scratch: make([]byte, 0, logname.MaxName),
		lanes:   make(map[string]*lane),
	}
	m.streams.Add(1)
	defer r.close()
	for {
		err := stream.RecvMsg(&r.frame)
		if errors.Is(err, io.EOF) {
			return r.finish()
		}
		if err != nil {
			return err
		}
		if err := r.pass(); err != nil {
			return err
		}
	}
}

// close ends what of the stream's upstreams has not ended yet.
func (r *relay) close() {
	for _, u := range r.upstreams {
		u.cancel(nil)
	}
	r.frame.Free()
	r.m.blocks.Add(r.blocks)
	r.m.bytes.Add(r.bytes)
}

// pass does what the message in r.frame asks for, and frees it. An error ends the stream.
func (r *relay) pass() error {
	defer r.frame.Free()
	kind, log, err := readHead(r.frame.Data(), r.scratch)
	switch {
	case errors.Is(err, errUnknown):
		return status.Error(codes.Unimplemented, err.Error())
	case err != nil:
		return violation("%v", err)
	case r.hello == nil && kind != helloField:
		return violation("the stream does not begin with a Hello")
	case kind == helloField:
		return r.takeHello()
	case kind == openField:
		return r.takeOpen()
	}
	l := r.lanes[string(log)]
	if l == nil {
		return violation("a Block of log %.100q comes before its Open", log)
	}
	if err := r.settleAll(); err != nil {
		return err
	}
	if l.up != nil {
		r.blocks++
		r.bytes += uint64(r.frame.Data().Len())
		l.up.send(&r.frame)
	}
	return nil
}

func violation(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// decode returns the small message in r.frame.
func (r *relay) decode() (*logscribev1.AppendRequest, error) {
	if n := r.frame.Data().Len(); n > maxHead {
		return nil, violation("a Hello or Open of %d bytes is larger than the %d that are allowed", n, maxHead)
	}
	request := new(logscribev1.AppendRequest)
	if err := proto.Unmarshal(r.frame.Data().Materialize(), request); err != nil {
		return nil, violation("malformed message: %v", err)
	}
	return request, nil
}

func (r *relay) takeHello() error {
	if r.hello != nil {
		return violation("a second Hello")
	}
	request, err := r.decode()
	if err != nil {
		return err
	}
	hello := request.GetHello()
	if hello.GetProtocol() != protocolVersion {
		return status.Errorf(codes.Unimplemented, "unknown protocol version %d: this mediator speaks %d", hello.GetProtocol(), protocolVersion)
	}
	if n := len(hello.GetProducer()); n != 16 {
		return violation("the Hello's producer is %d bytes, not the 16 of a UUID", n)
	}
	r.hello = request
	return nil
}

// takeOpen begins a lane. Where its owner has to be chosen, that goes on while the next messages are read: the logs
// that a sender opens before their first blocks are chosen together.
func (r *relay) takeOpen() error {
	request, err := r.decode()
	if err != nil {
		return err
	}
	log := request.GetOpen().GetLog()
	switch {
	case r.lanes[log] != nil:
		return violation("a second Open of log %.100q", log)
	case len(r.order) == maxLogs:
		return status.Errorf(codes.ResourceExhausted, "more than %d logs in one stream", maxLogs)
	}
	l := &lane{log: log, open: request}
	r.lanes[log] = l
	r.order = append(r.order, l)
	if err := logname.Check(log); err != nil {
		l.fail(codes.InvalidArgument, err)
		return nil
	}
	l.pending = r.m.owners.find(r.ctx, log)
	if l.pending.done == settledAlready {
		return r.settle(l)
	}
	return nil
}

// settleAll settles the lanes that have begun since the last time. The owners get their Opens one after the other, as they
// came, and so can open these logs together, too.
func (r *relay) settleAll() error {
	for ; r.settled < len(r.order); r.settled++ {
		if err := r.settle(r.order[r.settled]); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the decision on the lane's owner and opens the log there. An error ends the stream.
func (r *relay) settle(l *lane) error {
	if l.pending == nil {
		return nil
	}
	own, err := l.pending.wait(r.ctx)
	if r.ctx.Err() != nil {
		return status.FromContextError(r.ctx.Err()).Err()
	}
	open := l.open
	l.own, l.pending, l.open = own, nil, nil
	if err != nil {
		l.fail(codes.Unavailable, err)
		return nil
	}
	u, err := r.upstreamTo(own.owner)
	if err != nil {
		l.fail(failureCode(err), err)
		return nil
	}
	open.GetOpen().Epoch, open.GetOpen().Owner = own.epoch, own.owner
	l.up = u
	u.send(open)
	return nil
}

// upstreamTo returns an open upstream to the owner. When one has failed in this stream, later logs get a new one.
func (r *relay) upstreamTo(owner string) (*upstream, error) {
	s := r.m.registry.get(owner)
	if s == nil {
		return nil, fmt.Errorf("the log's owner, Scribe %q, is not known here", owner)
	}
	for _, u := range r.upstreams {
		if u.scribe == s && !u.over {
			return u, nil
		}
	}
	u, err := openUpstream(r.ctx, s, r.hello)
	if err == nil {
		r.upstreams = append(r.upstreams, u)
	}
	return u, err
}

// finish ends the upstreams together and answers with the receipts of all logs.
func (r *relay) finish() error {
	if r.hello == nil {
		return violation("the stream does not begin with a Hello")
	}
	if err := r.settleAll(); err != nil {
		return err
	}
	begin := time.Now()
	r.finishUpstreams()
	r.m.receipts.Since(begin)
	response := r.receipts()
	r.learn()
	if r.ctx.Err() != nil {
		return status.FromContextError(r.ctx.Err()).Err()
	}
	return r.stream.SendAndClose(response)
}

// finishUpstreams ends the upstreams together. Once one of several Scribes has answered, the others have stragglerGrace
// left: their logs' receipts then say UNAVAILABLE and name the owner, so that the sender gives that one a stream of its
// own, and a Scribe that hangs does not hold up the receipts of others until its health check fails.
func (r *relay) finishUpstreams() {
	if len(r.upstreams) == 1 {
		r.upstreams[0].finish()
		return
	}
	var late *time.Timer
	var first sync.Once
	var wg sync.WaitGroup
	for _, u := range r.upstreams {
		wg.Go(func() {
			u.finish()
			if u.err == nil {
				first.Do(func() { late = time.AfterFunc(stragglerGrace, r.giveUp) })
			}
		})
	}
	wg.Wait()
	if late != nil {
		late.Stop()
	}
}

// giveUp ends the upstreams that have not answered.
func (r *relay) giveUp() {
	for _, u := range r.upstreams {
		u.cancel(fmt.Errorf("%s has not answered within %v of another one; its logs need a stream of their own", u.scribe, stragglerGrace))
	}
}

// receipts merges what the upstreams have answered.
func (r *relay) receipts() *logscribev1.AppendResponse {
	for _, u := range r.upstreams {
		for _, receipt := range u.response.GetReceipts() {
			if l := r.lanes[receipt.GetLog()]; l != nil && l.up == u {
				l.receipt = receipt
			}
		}
	}
	merged := &logscribev1.AppendResponse{Receipts: make([]*logscribev1.Receipt, 0, len(r.order))}
	for _, l := range r.order {
		switch {
		case l.receipt != nil:
		case l.up.err != nil:
			l.fail(failureCode(l.up.err), l.up.err)
		default:
			l.fail(codes.Unavailable, fmt.Errorf("%s gave no receipt", l.up.scribe))
		}
		l.receipt.Owner = l.own.owner
		merged.Receipts = append(merged.Receipts, l.receipt)
	}
	return merged
}

// learn raises the epochs of logs whose owner has refused ours as too old, so that the next stream will do.
func (r *relay) learn() {
	var raised []*decision
	for _, l := range r.order {
		if codes.Code(l.receipt.GetCode()) == codes.FailedPrecondition && l.receipt.GetEpoch() > l.own.epoch {
			seen := ownership{owner: l.own.owner, epoch: l.receipt.GetEpoch()}
			raised = append(raised, r.m.owners.raise(r.ctx, l.log, seen))
		}
	}
	for _, d := range raised {
		if _, err := d.wait(r.ctx); err != nil {
			r.m.cfg.Logger.Warn("can't raise an epoch", "log", d.log, "error", err)
		}
	}
}

func (l *lane) fail(code codes.Code, err error) {
	l.receipt = &logscribev1.Receipt{Log: l.log, Code: uint32(code), Detail: err.Error()}
}
