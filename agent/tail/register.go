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

// maxRegistration bounds how many checkpoints go into the spool together, unless they must.
const maxRegistration = 1000

// register queues the first checkpoints of generations that were just found, and whatever else goes with the last of them.
// The generations may be read meanwhile.
func (s *Source) register(ctx context.Context, found []*generation, more ...spool.Checkpoint) {
	if len(found) == 0 && len(more) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := len(s.registrations) == 0
	for len(found) > maxRegistration {
		s.queueRegistrationLocked(found[:maxRegistration])
		found = found[maxRegistration:]
	}
	s.queueRegistrationLocked(found, more...)
	if idle {
		s.commits.Add(1)
		go s.registrar(ctx)
	}
}

func (s *Source) queueRegistrationLocked(found []*generation, more ...spool.Checkpoint) {
	r := registration{found: found, checkpoints: more}
	for _, g := range found {
		g.inflight = true
		c := g.checkpointLocked()
		r.checkpoints = append(r.checkpoints, spool.Checkpoint{Key: checkpointKey(g.id.inode), Value: c.encode()})
	}
	s.registrations = append(s.registrations, r)
}

// registrar stores what is queued, together what has gathered while it was storing, until nothing is left.
func (s *Source) registrar(ctx context.Context) {
	defer s.commits.Done()
	for {
		var b spool.Batch
		n := 0
		s.mu.Lock()
		for queued := s.registrations; n < len(queued) && len(b.Checkpoints) < maxRegistration; n++ {
			b.Checkpoints = append(b.Checkpoints, queued[n].checkpoints...)
		}
		s.mu.Unlock()
		if !s.append(ctx, b) {
			return
		}
		if !s.registered(ctx, n) {
			return
		}
	}
}

// registered takes the first n registrations off the queue and lets the generations' first batches follow. It returns
// whether there are more.
func (s *Source) registered(ctx context.Context, n int) (more bool) {
	s.mu.Lock()
	done := s.registrations[:n]
	if s.registrations = s.registrations[n:]; len(s.registrations) == 0 {
		s.registrations = nil // or the array would be kept
	}
	more = len(s.registrations) > 0
	s.mu.Unlock()
	for _, r := range done {
		for _, g := range r.found {
			if next := s.committed(g, g.committed); next != nil {
				s.commits.Add(1)
				go s.commit(ctx, g, next)
			}
		}
	}
	return more
}
