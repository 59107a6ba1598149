package tail

import (
	"context"

	"github.com/logscribe/logscribe/spool"
)

// A generation's first checkpoint is written as soon as it is found, so that it is known after a restart even if nothing
// was read of it yet. These checkpoints become durable in the order in which generations were found: otherwise a crash
// could leave a newer generation known and an older one unknown, which would then be taken for a file older than all.

// registration is what goes into the spool together.
type registration struct {
	found       []*generation
	checkpoints []spool.Checkpoint
}

// register queues the first checkpoints of generations that were just found, and whatever else goes with them. The
// generations may be read meanwhile.
func (s *Source) register(ctx context.Context, found []*generation, more ...spool.Checkpoint) {
	if len(found) == 0 && len(more) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := registration{found: found, checkpoints: more}
	for _, g := range found {
		g.inflight = true
		c := g.checkpointLocked()
		r.checkpoints = append(r.checkpoints, spool.Checkpoint{Key: checkpointKey(g.id.inode), Value: c.encode()})
	}
	s.registrations = append(s.registrations, r)
	if len(s.registrations) == 1 {
		s.commits.Add(1)
		go s.registrar(ctx)
	}
}

// registrar stores what is queued, together what has gathered while it was storing, until nothing is left.
func (s *Source) registrar(ctx context.Context) {
	defer s.commits.Done()
	for n := 0; ; {
		s.mu.Lock()
		s.registrations = s.registrations[n:]
		queued := s.registrations
		n = len(queued)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		var b spool.Batch
		for _, r := range queued {
			b.Checkpoints = append(b.Checkpoints, r.checkpoints...)
		}
		if !s.append(ctx, b) {
			return
		}
		for _, r := range queued {
			s.registered(ctx, r.found)
		}
	}
}

// registered lets the generations' first batches follow.
func (s *Source) registered(ctx context.Context, found []*generation) {
	for _, g := range found {
		if next := s.committed(g, g.committed); next != nil {
			s.commits.Add(1)
			go s.commit(ctx, g, next)
		}
	}
}
