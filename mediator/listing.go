package mediator

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/logname"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// listedAtOnce is how many logs one message tells of.
const listedAtOnce = 1000

// Logs tells of all logs that have an owner: what the owner says of it, or if it does not answer, or has no line of it yet,
// what is known here.
func (d *describer) Logs(request *logscribev1.LogsRequest, stream logscribev1.Status_LogsServer) error {
	match, err := logname.Matcher(request.Match)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	l := &listing{stream: stream, left: d.mediator.owners.all(match), fail: cancel}
	var asking sync.WaitGroup
	for _, s := range d.mediator.registry.all() {
		asking.Go(func() { s.list(ctx, request, l) })
	}
	asking.Wait()
	if request.ActiveWithinMs == 0 {
		l.sendLeft()
	}
	return l.err
}

// listing is the answer to a Logs.
type listing struct {
	stream logscribev1.Status_LogsServer
	fail   func()

	mu   sync.Mutex           // guards what follows; held while a part is sent, so that a slow reader holds up the Scribes' answers
	left map[string]ownership // logs that were not told of yet
	err  error                // of the first part that could not be sent
}

// take passes on a part of a Scribe's answer, without the logs that it does not own.
func (l *listing) take(from *scribe, part *logscribev1.LogsResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owned := part.Logs[:0]
	for _, told := range part.Logs {
		if own, ok := l.left[told.Log]; ok && own.owner == from.id {
			delete(l.left, told.Log)
			told.Owner, told.Epoch = own.owner, own.epoch
			owned = append(owned, told)
		}
	}
	if part.Logs = owned; len(owned) > 0 {
		l.sendLocked(part)
	}
}

func (l *listing) sendLocked(part *logscribev1.LogsResponse) {
	if l.err != nil {
		return
	}
	if l.err = l.stream.Send(part); l.err != nil {
		l.fail()
	}
}

// sendLeft tells of the logs that no Scribe has told of.
func (l *listing) sendLeft() {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &logscribev1.LogsResponse{}
	for log, own := range l.left {
		part.Logs = append(part.Logs, &logscribev1.LogStatus{Log: log, Owner: own.owner, Epoch: own.epoch})
		if len(part.Logs) == listedAtOnce {
			l.sendLocked(part)
			part = &logscribev1.LogsResponse{}
		}
	}
	if len(part.Logs) > 0 {
		l.sendLocked(part)
	}
}

// list has the Scribe tell of its logs. What it does not tell of is left. Between two parts it may take askTimeout.
func (s *scribe) list(ctx context.Context, request *logscribev1.LogsRequest, to *listing) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	patience := time.AfterFunc(askTimeout, cancel)
	defer patience.Stop()
	bound, unbind, err := s.bind(ctx)
	if err != nil {
		return
	}
	defer unbind(nil)
	stream, err := logscribev1.NewStatusClient(s.conn).Logs(bound, request)
	for err == nil {
		var part *logscribev1.LogsResponse
		if part, err = stream.Recv(); err == nil {
			patience.Stop() // the reader may be slow
			to.take(s, part)
			patience.Reset(askTimeout)
		}
	}
	if !errors.Is(err, io.EOF) && ctx.Err() == nil {
		_ = s.unanswered(err)
	}
}
