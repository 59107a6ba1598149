package scribe

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/identity"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

// resumeTimeout bounds the wait of Resume for blocks that streams of older generations are appending, and for the round
// that commits them.
const resumeTimeout = 20 * time.Second

// identities knows the streams in progress of agents that have an identity.
type identities struct {
	store *store.Store

	mu      sync.Mutex // guards what follows; held while the store is asked, so that no stream slips in between
	streams map[string]map[*membership]struct{}
}

// membership is a stream's part in its identity. The nil membership, of a stream without an identity, is valid.
type membership struct {
	identities *identities
	identity   string
	generation uint64
	// turn is held by the stream while it appends a block, and for good by the Resume that ends the stream.
	turn chan struct{} // capacity 1
}

func newIdentities(st *store.Store) *identities {
	return &identities{store: st, streams: map[string]map[*membership]struct{}{}}
}

// join lets a stream take part, or returns an error if a newer generation has begun. The stream must call leave.
func (i *identities) join(hello *logscribev1.Hello) (*membership, error) {
	if hello.Identity == "" {
		return nil, nil
	}
	if err := identity.Check(hello.Identity); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.store.Join(hello.Identity, hello.Generation); err != nil {
		return nil, err
	}
	m := &membership{identities: i, identity: hello.Identity, generation: hello.Generation, turn: make(chan struct{}, 1)}
	if i.streams[m.identity] == nil {
		i.streams[m.identity] = map[*membership]struct{}{}
	}
	i.streams[m.identity][m] = struct{}{}
	return m, nil
}

func (m *membership) leave() {
	if m == nil {
		return
	}
	i := m.identities
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.streams[m.identity], m)
	if len(i.streams[m.identity]) == 0 {
		delete(i.streams, m.identity)
	}
}

// name returns the identity, "" for none.
func (m *membership) name() string {
	if m == nil {
		return ""
	}
	return m.identity
}

// begin takes the stream's turn to append a block; end must follow. It returns false if the stream has been ended.
func (m *membership) begin() bool {
	if m == nil {
		return true
	}
	select {
	case m.turn <- struct{}{}:
		return true
	default: // the stream's own turns never overlap
		return false
	}
}

func (m *membership) end() {
	if m != nil {
		<-m.turn
	}
}

// succeed begins a generation and ends the streams of older ones: at return they append no more.
func (i *identities) succeed(ctx context.Context, name string, spool uuid.UUID, now int64) (store.Generation, error) {
	i.mu.Lock()
	g, err := i.store.BeginGeneration(name, spool, now)
	var older []*membership
	for m := range i.streams[name] {
		if m.generation < g.Number {
			older = append(older, m)
		}
	}
	i.mu.Unlock()
	if err != nil {
		return g, err
	}
	for _, m := range older {
		select {
		case m.turn <- struct{}{}:
			m.leave() // a repeated Resume must not wait for it
		case <-ctx.Done():
			return g, status.Errorf(codes.Unavailable, "a stream of identity %q is still writing: %v", name, ctx.Err())
		}
	}
	return g, nil
}

// Resume implements logscribe.v1.Scribe.
func (s *Scribe) Resume(request *logscribev1.ResumeRequest, stream grpc.ServerStreamingServer[logscribev1.ResumeResponse]) error {
	if err := identity.Check(request.Identity); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	spool, err := uuid.FromBytes(request.Spool)
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "the spool has %d bytes, a UUID has %d", len(request.Spool), len(spool))
	}
	ctx, cancel := context.WithTimeout(stream.Context(), resumeTimeout)
	defer cancel()
	g, err := s.identities.succeed(ctx, request.Identity, spool, request.NowMs)
	if err != nil {
		return statusOf(err)
	}
	if err := s.store.Commit(ctx); err != nil {
		return status.Errorf(codes.Unavailable, "nothing could be committed: %v", err)
	}
	s.logger.Info("an agent begins with an empty spool", "identity", request.Identity, "generation", g.Number)
	if err := stream.Send(&logscribev1.ResumeResponse{Generation: g.Number, SinceMs: g.Since}); err != nil {
		return err
	}
	return statusOf(s.store.Checkpoints(request.Identity, func(part []store.SourceCheckpoint) error {
		response := &logscribev1.ResumeResponse{}
		for _, c := range part {
			response.Checkpoints = append(response.Checkpoints, &logscribev1.SourceCheckpoint{Log: c.Log, Source: c.Source, Checkpoint: c.Value})
		}
		return stream.Send(response)
	}))
}
