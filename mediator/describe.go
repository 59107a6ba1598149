package mediator

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/reports"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// askTimeout is how long a Scribe may take to tell how it does, or to go on telling of its logs. It takes a second to find that
// its disk hangs.
const askTimeout = 1500 * time.Millisecond

// describer is the Status service of a mediator.
type describer struct {
	logscribev1.UnimplementedStatusServer
	mediator *Mediator
	reports  reports.Reports
	listings atomic.Int64 // of all logs, that are being sent
}

// Report remembers how an agent does.
func (d *describer) Report(_ context.Context, report *logscribev1.ReportRequest) (*logscribev1.ReportResponse, error) {
	return d.reports.Take(report)
}

// Describe tells of the mediator, of the agents that report to it, and of all Scribes, which it asks at once.
func (d *describer) Describe(_ *logscribev1.DescribeRequest, stream logscribev1.Status_DescribeServer) error {
	out := &describing{stream: stream}
	out.send(&logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Mediator{Mediator: d.status()}})
	for _, a := range d.reports.All() {
		out.send(&logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Agent{Agent: a}})
	}
	owned := d.mediator.owners.count()
	var asking sync.WaitGroup
	for _, s := range d.mediator.registry.all() {
		asking.Go(func() { s.describe(stream.Context(), owned[s.id], out.send) })
	}
	asking.Wait()
	return out.err
}

// describing is the answer to a Describe, which several goroutines send parts of.
type describing struct {
	stream logscribev1.Status_DescribeServer
	mu     sync.Mutex
	err    error // of the first that could not be sent
}

func (d *describing) send(part *logscribev1.DescribeResponse) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = d.stream.Send(part)
	}
}

func (d *describer) status() *logscribev1.MediatorStatus {
	m := d.mediator
	st := &logscribev1.MediatorStatus{
		Software: m.cfg.Software, UptimeMs: uint64(m.cfg.now().Sub(m.began).Milliseconds()),
		Streams: m.streams.Load(), Calls: m.calls.Load(), Blocks: m.blocks.Load(), Bytes: m.bytes.Load(), Failovers: m.owners.failovers.Load(),
	}
	for _, n := range m.owners.count() {
		st.Logs += uint64(n)
	}
	if m.cfg.ReloadError != nil {
		st.ReloadError = reports.Text(m.cfg.ReloadError())
	}
	return st
}

// describe tells of the Scribe what it says itself, or else what is known of it here; and then of the agents that report to
// it, if there are any.
func (s *scribe) describe(ctx context.Context, owned int, send func(*logscribev1.DescribeResponse)) {
	self, agents, err := s.ask(ctx)
	up, down, trouble := s.state()
	switch {
	case !up:
		self = &logscribev1.ScribeStatus{Health: logscribev1.ScribeStatus_HEALTH_DOWN, DownMs: uint64(max(0, down.Milliseconds())), Trouble: reports.Text(trouble.Error())}
	case err != nil:
		self = &logscribev1.ScribeStatus{Health: logscribev1.ScribeStatus_HEALTH_SILENT, Trouble: reports.Text(err.Error())}
	}
	self.Id, self.Address, self.OwnedLogs = s.id, s.address, uint64(owned)
	if self.Software == "" {
		self.Software = s.software
	}
	send(&logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Scribe{Scribe: self}})
	for _, a := range agents {
		send(&logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Agent{Agent: a}})
	}
}

// ask has the Scribe describe itself, and returns an error for people if it does not. One that is down is not asked.
func (s *scribe) ask(ctx context.Context) (self *logscribev1.ScribeStatus, agents []*logscribev1.AgentStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	bound, unbind, err := s.bind(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unbind(nil)
	stream, err := logscribev1.NewStatusClient(s.conn).Describe(bound, &logscribev1.DescribeRequest{})
	for err == nil {
		var part *logscribev1.DescribeResponse
		if part, err = stream.Recv(); err != nil {
			break
		}
		if part.GetScribe() != nil {
			self = part.GetScribe()
		}
		if part.GetAgent() != nil {
			agents = append(agents, part.GetAgent())
		}
	}
	switch {
	case errors.Is(err, io.EOF) && self == nil:
		return nil, nil, errors.New("it answers, but says nothing of itself")
	case errors.Is(err, io.EOF):
		return self, agents, nil
	}
	return nil, nil, s.unanswered(err)
}

// unanswered says, for people, why a question to the Scribe has no answer, and has it checked if it seems to be gone.
func (s *scribe) unanswered(err error) error {
	switch st := status.Convert(err); st.Code() {
	case codes.DeadlineExceeded:
		return errors.New("it does not answer")
	case codes.Unimplemented:
		return errors.New("its release can't tell how it does")
	case codes.Unavailable:
		s.suspect()
		return errors.New(st.Message())
	default:
		return errors.New(st.Message())
	}
}
