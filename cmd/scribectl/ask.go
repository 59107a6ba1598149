package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// patience bounds the time until an answer begins, and that until its next part: a mediator asks its Scribes first, and waits
// some time for each at the same time. All of a list of very many logs may take longer.
const patience = 5 * time.Second

// sampled is how long figures are watched to tell a rate.
const sampled = time.Second

// peers are the mediators or Scribes that are asked, each for itself.
type peers []*peer

type peer struct {
	address string
	conn    *grpc.ClientConn
	client  logscribev1.StatusClient
	secure  bool
}

func (c *config) dial() (peers, error) {
	creds, err := c.tls.Client()
	if err != nil {
		return nil, err
	}
	var all peers
	for _, address := range c.mediators {
		conn, err := transport.Dial([]string{address}, creds)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all = append(all, &peer{address, conn, logscribev1.NewStatusClient(conn), c.tls.CA != ""})
	}
	return all, nil
}

func (p peers) close() error {
	var errs []error
	for _, one := range p {
		errs = append(errs, one.conn.Close())
	}
	return errors.Join(errs...)
}

// each calls ask for all peers at the same time, with a context that ends patience after the last call of heard, and returns
// what became of those that failed. The error is the context's, or says that none has answered.
func (p peers) each(ctx context.Context, ask func(ctx context.Context, one *peer, heard func()) error) ([]unreached, error) {
	failed := make([]error, len(p))
	var asking sync.WaitGroup
	for i, one := range p {
		asking.Go(func() {
			timed, cancel := context.WithCancel(ctx)
			defer cancel()
			patient := time.AfterFunc(patience, cancel)
			defer patient.Stop()
			err := ask(timed, one, func() { patient.Reset(patience) })
			if err != nil && timed.Err() != nil {
				err = status.FromContextError(context.DeadlineExceeded).Err()
			}
			failed[i] = err
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var missing []unreached
	for i, err := range failed {
		if err != nil {
			missing = append(missing, unreached{p[i].address, p[i].why(err)})
		}
	}
	if len(missing) == len(p) {
		return missing, nobody(missing)
	}
	return missing, nil
}

// nobody is the error if none has answered.
func nobody(missing []unreached) error {
	var each []string
	for _, m := range missing {
		each = append(each, m.Address+": "+m.Error)
	}
	return fmt.Errorf("no mediator or Scribe answers: %s (-mediator HOST:PORT says whom to ask)", strings.Join(each, "; "))
}

// why says for people why a call has failed.
func (p *peer) why(err error) string {
	st := status.Convert(err)
	text := readable(st.Message())
	switch {
	case st.Code() == codes.Unimplemented:
		return "its release can't tell how it does"
	case st.Code() == codes.DeadlineExceeded:
		return fmt.Sprintf("no answer within %v", patience)
	case p.secure && strings.Contains(text, "first record does not look like a TLS handshake"):
		return "it does not speak TLS: leave -ca, -crt and -pk away"
	case !p.secure && strings.Contains(text, "server preface"):
		return "it closes the connection: it may want TLS, see -ca, -crt and -pk"
	}
	return text
}

// sample is what all peers have said at one time.
type sample struct {
	mediators []*mediatorSample // in the order of the peers
	scribes   map[string]*logscribev1.ScribeStatus
	agents    map[string]*logscribev1.AgentStatus // by producer
	unreached []unreached
}

type mediatorSample struct {
	address string
	*logscribev1.MediatorStatus
}

// look asks how all do.
func (p peers) look(ctx context.Context) (*sample, error) {
	s := &sample{scribes: map[string]*logscribev1.ScribeStatus{}, agents: map[string]*logscribev1.AgentStatus{}}
	mediators := make([]*mediatorSample, len(p))
	var mu sync.Mutex
	var err error
	s.unreached, err = p.each(ctx, func(ctx context.Context, one *peer, heard func()) error {
		stream, err := one.client.Describe(ctx, &logscribev1.DescribeRequest{})
		for err == nil {
			var part *logscribev1.DescribeResponse
			if part, err = stream.Recv(); err != nil {
				break
			}
			heard()
			mu.Lock()
			if m := part.GetMediator(); m != nil {
				for i := range p {
					if p[i] == one {
						mediators[i] = &mediatorSample{one.address, m}
					}
				}
			}
			s.addScribe(part.GetScribe(), one)
			s.addAgent(part.GetAgent())
			mu.Unlock()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	for _, m := range mediators {
		if m != nil {
			s.mediators = append(s.mediators, m)
		}
	}
	return s, err
}

// addScribe adds what a peer says of a Scribe, unless another one knows better.
func (s *sample) addScribe(told *logscribev1.ScribeStatus, by *peer) {
	if told == nil {
		return
	}
	if strings.HasPrefix(told.Address, ":") { // it has no name for itself
		told.Address = by.address
	}
	known := s.scribes[told.Id]
	if known == nil || rank(told.Health) < rank(known.Health) || rank(told.Health) == rank(known.Health) && told.OwnedLogs > known.OwnedLogs {
		s.scribes[told.Id] = told
	}
}

// rank is lower the more is known by that health.
func rank(h logscribev1.ScribeStatus_Health) int {
	if h == logscribev1.ScribeStatus_HEALTH_UNKNOWN {
		return 100
	}
	return int(h)
}

func (s *sample) addAgent(told *logscribev1.AgentStatus) {
	if told.GetReport() == nil {
		return
	}
	key := string(told.Report.Producer)
	if known := s.agents[key]; known == nil || told.HeardMs < known.HeardMs {
		s.agents[key] = told
	}
}

// lookTwice looks, and looks again after a while, so that there are rates.
func (p peers) lookTwice(ctx context.Context) (before, now *sample, err error) {
	if before, err = p.look(ctx); err != nil {
		return nil, nil, err
	}
	if err := pause(ctx, sampled); err != nil {
		return nil, nil, err
	}
	now, err = p.look(ctx)
	return before, now, err
}

// pause returns after that time, or the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
