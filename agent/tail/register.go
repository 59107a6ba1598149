package tail

import (
	"context"

	"github.com/logscribe/logscribe/spool"
)

// A generation's first checkpoint is written as soon as it is found, so that it is known after a restart even if nothing
// was read of it yet. These checkpoints become durable in the order in which generations were found: otherwise a crash
// could leave a newer generation known and an older one unknown, which would then be taken for a file older than all.
// None is read before its checkpoint is stored. What else is stored without lines goes the same way: the ends of generations,
// and up to when all was seen.

// registration is what goes into the spool together.
type registration struct {
	found  []*generation
	more   []spool.Checkpoint
	losses []spool.Loss
	ending *generation // its end is stored with this; nil for none
	stamp  bool        // up to when all was seen is stored with this
	saw    sight       // all that there was by then is known when this is stored; zero if nobody has said so
}

// maxRegistration bounds how many checkpoints go into the spool together, unless they must.
const maxRegistration = 1000

// register queues the first checkpoints of generations that were just found, and whatever else goes with the last of them.
// The generations are looked at again once that is stored.
func (s *Source) register(ctx context.Context, found []*generation, more ...spool.Checkpoint) {
	if len(found) == 0 && len(more) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registerLocked(ctx, registration{found: found, more: more})
}

// registerLocked queues a registration, in several if it is large.
func (s *Source) registerLocked(ctx context.Context, r registration) {
	for _, g := range r.found {
		g.inflight, g.unregistered = true, true
	}
	idle := len(s.registrations) == 0
	for len(r.found) > maxRegistration {
		s.registrations = append(s.registrations, registration{found: r.found[:maxRegistration]})
		r.found = r.found[maxRegistration:]
	}
	s.registrations = append(s.registrations, r)
	if idle {
		s.commits.Add(1)
		go s.registrar(ctx)
	}
}

// registrar stores what is queued, together what has gathered while it was storing, until nothing is left. Nobody else
// stores up to when all was seen, or an earlier time might take the place of a later one.
func (s *Source) registrar(ctx context.Context) {
	defer s.commits.Done()
	for more := true; more; {
		b, n := s.registrationBatch()
		if !s.append(ctx, b) {
			return
		}
		more = s.registered(n)
	}
}

// registrationBatch returns what the first n registrations store, and n.
func (s *Source) registrationBatch() (b spool.Batch, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	saw, stamp := s.saw, false
	for queued := s.registrations; n < len(queued) && len(b.Checkpoints) < maxRegistration; n++ {
		r := queued[n]
		for _, g := range r.found { // which has not moved since it was found
			c := g.checkpointLocked()
			b.Checkpoints = append(b.Checkpoints, spool.Checkpoint{Key: checkpointKey(g.id.inode), Value: c.encode()})
			b.Losses = append(b.Losses, s.payLocked(g)...)
		}
		b.Checkpoints = append(b.Checkpoints, r.more...)
		b.Losses = append(b.Losses, r.losses...)
		stamp = stamp || r.stamp
		if r.saw != (sight{}) {
			saw = r.saw
		}
	}
	if stamp {
		b.Checkpoints = append(b.Checkpoints, saw.checkpoint())
	}
	return b, n
}

// registered takes the first n registrations off the queue, lets the generations be read, and closes those that end. It
// returns whether there are more registrations.
func (s *Source) registered(n int) (more bool) {
	s.mu.Lock()
	done := s.registrations[:n]
	if s.registrations = s.registrations[n:]; len(s.registrations) == 0 {
		s.registrations = nil // or the array would be kept
	}
	for _, r := range done {
		for _, g := range r.found {
			g.unregistered, g.stored = false, true
			s.committedLocked(g, g.committed)
		}
		if r.saw != (sight{}) {
			s.saw = r.saw
		}
	}
	more = len(s.registrations) > 0
	s.mu.Unlock()
	for _, r := range done {
		if r.ending != nil {
			s.close(r.ending)
		}
	}
	return more
}
