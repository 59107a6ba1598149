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

const (
	// listedAtOnce is how many logs one message tells of.
	listedAtOnce = 1000
	// maxListings is how many may list all logs at once: each list takes memory for all of them.
	maxListings = 8
)

// Logs tells of all logs that have an owner: what the owner says of it, or if it does not answer, or has no line of it yet,
// what is known here.
func (d *describer) Logs(request *logscribev1.LogsRequest, stream logscribev1.Status_LogsServer) error {
	match, err := logname.Matcher(request.Match)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	l := &listing{stream: stream, fail: cancel, owners: d.mediator.owners}
	if request.ActiveWithinMs > 0 {
		l.told = map[string]struct{}{}
	} else {
		defer d.listings.Add(-1)
		if d.listings.Add(1) > maxListings {
			return status.Errorf(codes.ResourceExhausted, "%d others list all logs just now; try again", maxListings)
		}
		l.left = l.owners.all(match)
	}
	var asking sync.WaitGroup
	for _, s := range d.mediator.registry.all() {
		asking.Go(func() { s.list(ctx, request, l) })
	}
	asking.Wait()
	l.sendLeft()
	return l.err
}

// listing is the answer to a Logs.
type listing struct {
	stream logscribev1.Status_LogsServer
	fail   func()
	owners *owners

	mu   sync.Mutex           // guards what follows; held while a part is sent, so that a slow reader holds up the Scribes' answers
	left map[string]ownership // logs that were not told of yet; nil in a list of active logs, for which a copy of all is too much
	told map[string]struct{}  // logs that were, in such a list
	err  error                // of the first part that could not be sent
}

// take passes on a part of a Scribe's answer, without the logs that it does not own.
func (l *listing) take(from *scribe, part *logscribev1.LogsResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owned := part.Logs[:0]
	for _, told := range part.Logs {
		if own, ok := l.takeLocked(told.Log, from.id); ok {
			told.Owner, told.Epoch = own.owner, own.epoch
			owned = append(owned, told)
		}
	}
	if part.Logs = owned; len(owned) > 0 {
		l.sendLocked(part)
	}
}

// takeLocked returns the owner of a log that was not told of yet, if that is the Scribe. From then on it was.
func (l *listing) takeLocked(log, scribe string) (own ownership, ok bool) {
	if l.left != nil {
		own, ok = l.left[log]
	} else if _, told := l.told[log]; !told {
		own, ok = l.owners.get(log)
	}
	switch {
	case !ok || own.owner != scribe:
		return own, false
	case l.left != nil:
		delete(l.left, log)
	default:
		l.told[log] = struct{}{}
	}
	return own, true
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
