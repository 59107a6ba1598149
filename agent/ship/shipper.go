package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/block"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

// Config is what a Shipper is made from.
type Config struct {
	Spool *spool.Spool
	// Conn leads to a mediator, or to a single Scribe.
	Conn grpc.ClientConnInterface
	// Name and Software tell the other side, for people, which agent this is.
	Name, Software string
	// Identity and Generation are the agent's identity, empty for none, and which one in the succession of its spools this
	// is; 0 if the Scribes were never asked.
	Identity   string
	Generation uint64
	Logger     *slog.Logger
}

// Shipper ships one spool.
type Shipper struct {
	spool  *spool.Spool
	client atomic.Pointer[client] // of streams to come
	cfg    Config
	logger *slog.Logger

	stats  counters
	latest atomic.Int64 // when the goroutine of Run took up what it does, nanoseconds since 1970 UTC; 0 while it waits

	events  chan func()    // what happened, run by the goroutine of Run, which alone touches what follows
	streams sync.WaitGroup // in flight
	lanes   map[string]*lane
	logs    map[string]*logState
}

// client is one connection.
type client struct{ logscribev1.ScribeClient }

// New returns a shipper, which does nothing before Run.
func New(cfg Config) *Shipper {
	s := &Shipper{
		spool: cfg.Spool, cfg: cfg, logger: cfg.Logger,
		events: make(chan func()), lanes: map[string]*lane{}, logs: map[string]*logState{},
	}
	s.Redirect(cfg.Conn)
	return s
}

// Redirect has streams that begin from now on go another way. Those in flight go on; the caller ends them by closing their
// connection, whereupon what has no receipt is shipped again. It is safe for concurrent use.
func (s *Shipper) Redirect(conn grpc.ClientConnInterface) {
	s.client.Store(&client{logscribev1.NewScribeClient(conn)})
}

// hello returns the first message of a stream that carries the producer's lines.
func (s *Shipper) hello(producer block.Producer) *logscribev1.Hello {
	hello := &logscribev1.Hello{
		Protocol: protocolVersion, Producer: producer[:], Agent: s.cfg.Name, Software: s.cfg.Software,
		Identity: s.cfg.Identity, Generation: s.cfg.Generation,
	}
	for _, c := range []block.Codec{block.None, block.S2, block.Zstd} {
		hello.Codecs = append(hello.Codecs, logscribev1.Codec(c))
	}
	return hello
}

// Run ships until ctx ends. It waits for what is in flight, which ctx cancels.
func (s *Shipper) Run(ctx context.Context) error {
	defer s.streams.Wait()
	for {
		s.latest.Store(0)
		select {
		case <-s.spool.Appended():
			s.latest.Store(time.Now().UnixNano())
			for _, log := range s.spool.TakeAppended() {
				s.wake(log)
			}
		case event := <-s.events:
			s.latest.Store(time.Now().UnixNano())
			event()
		case <-ctx.Done():
			return nil
		}
		for _, l := range s.lanes {
			for l.mayStart() {
				s.start(ctx, l)
			}
		}
	}
}

// post hands an event to Run.
func (s *Shipper) post(ctx context.Context, event func()) {
	select {
	case s.events <- event:
	case <-ctx.Done():
	}
}

// wake makes sure that a log with blocks will be shipped.
func (s *Shipper) wake(name string) {
	l := s.logs[name]
	if l == nil {
		l = &logState{name: name, lane: s.lane("")}
		s.logs[name] = l
	}
	if l.phase == idle {
		s.more(l, l.lane)
	}
}

func (s *Shipper) lane(owner string) *lane {
	l := s.lanes[owner]
	if l == nil {
		l = &lane{owner: owner}
		s.lanes[owner] = l
	}
	return l
}

// queue makes the log ready in a lane.
func (s *Shipper) queue(l *logState, to *lane) {
	l.lane, l.phase = to, ready
	to.ready = append(to.ready, l)
}

// start begins a stream with all logs that are ready in the lane.
func (s *Shipper) start(ctx context.Context, l *lane) {
	cursors := l.take(s.spool.Queue)
	l.streams++
	s.stats.streams.Add(1)
	client := s.client.Load()
	s.streams.Go(func() {
		receipts, err := s.run(ctx, client, cursors)
		if err != nil && s.client.Load() != client {
			err = errRedirected
		}
		s.post(ctx, func() { s.finish(ctx, l, cursors, receipts, err) })
	})
}

// errRedirected is the result of a stream that ended because the connection it began with is no longer used.
var errRedirected = errors.New("streams go another way now")

// finish takes the result of a stream of the lane.
func (s *Shipper) finish(ctx context.Context, l *lane, cursors []*cursor, receipts map[string]*logscribev1.Receipt, err error) {
	l.streams--
	switch {
	case err == nil:
	case err == errRedirected:
		for _, c := range cursors {
			s.queue(c.log, l)
		}
		return
	case mayBeOneLogs(err) && len(cursors) == 1:
		log := cursors[0].log.name
		receipts = map[string]*logscribev1.Receipt{log: {Log: log, Owner: l.owner, Code: uint32(status.Code(err)), Detail: err.Error()}}
	default:
		s.stats.failures.Add(1)
		l.trouble.report(s.logger, "can't ship: the lines wait in the spool", err)
		for _, c := range cursors {
			c.log.alone = mayBeOneLogs(err)
			s.queue(c.log, l)
		}
		s.pauseLane(ctx, l)
		return
	}
	for _, sent := range []bool{false, true} { // those that had no turn come first in the next stream
		for _, c := range cursors {
			if c.sent == sent {
				s.settle(ctx, l, c, receipts[c.log.name])
			}
		}
	}
}

// settle applies a log's receipt, which came with a stream of the lane.
func (s *Shipper) settle(ctx context.Context, from *lane, c *cursor, r *logscribev1.Receipt) {
	owner, err := from, c.err
	switch {
	case r != nil:
		code := codes.Code(r.Code)
		s.stats.shipped(c, r.Committed)
		s.spool.Acknowledge(c.log.name, c.queue.Producer, r.Committed, code == codes.OK)
		owner = s.lane(r.Owner)
		if code != codes.OK && err == nil {
			err = status.Error(code, r.Detail)
		}
	case err == nil:
		err = errors.New("the stream ended without a receipt for this log")
	}
	switch {
	case isA[*spool.BlockError](err):
		s.setAside(c, owner, err)
	case status.Code(err) == codes.OK:
		from.recovered(s.logger)
		owner.recovered(s.logger)
		if !c.log.doubt.taken() {
			c.log.recovered(s.logger)
		}
		s.more(c.log, owner)
	case status.Code(err) == codes.Unavailable: // all logs of the owner wait
		owner.trouble.report(s.logger, "a Scribe takes no lines: they wait in the spool", err, append(owner.scribe(), "log", c.log.name)...)
		s.queue(c.log, owner)
		s.pauseLane(ctx, owner)
	case status.Code(err) == codes.InvalidArgument && c.log.doubt.refused(s.spool.Queue(c.log.name).Oldest > c.queue.Oldest):
		s.setAside(c, owner, fmt.Errorf("refused %d times: %s", maxRefusals, status.Convert(err).Message()))
	case status.Code(err) == codes.ResourceExhausted:
		owner.full.report(s.logger, "a Scribe's disk is full: lines wait in the spool", err, append(owner.scribe(), "log", c.log.name)...)
		s.pauseLog(ctx, c.log, owner)
	default: // this log alone waits
		c.log.trouble.report(s.logger, "a log can't be shipped now: its lines wait in the spool", err, "log", c.log.name)
		s.pauseLog(ctx, c.log, owner)
	}
}

// setAside gives up the oldest block of the log, which goes on behind it.
func (s *Shipper) setAside(c *cursor, owner *lane, reason error) {
	c.log.doubt = doubt{}
	c.log.backoff.reset()
	s.spool.SetAside(c.log.name, c.queue.Oldest, reason)
	s.more(c.log, owner)
}

// more queues the log again if blocks are left of it. The spool tells when it no longer holds one.
func (s *Shipper) more(l *logState, to *lane) {
	l.lane, l.phase = to, idle
	if q := s.spool.Queue(l.name); q.Lines() > 0 && !q.Held {
		s.queue(l, to)
	}
}

// pauseLane holds the lane's next stream back.
func (s *Shipper) pauseLane(ctx context.Context, l *lane) {
	if l.paused {
		return
	}
	l.paused = true
	s.after(ctx, l.backoff.next(), func() { l.paused = false })
}

// pauseLog holds one log back; the rest of its lane goes on.
func (s *Shipper) pauseLog(ctx context.Context, l *logState, to *lane) {
	l.lane, l.phase = to, paused
	s.after(ctx, l.backoff.next(), func() { s.queue(l, to) })
}

// after posts the event once the time has passed.
func (s *Shipper) after(ctx context.Context, pause time.Duration, event func()) {
	s.streams.Go(func() {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-t.C:
			s.post(ctx, event)
		case <-ctx.Done():
		}
	})
}
