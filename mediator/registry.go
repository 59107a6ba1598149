package mediator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/logscribe/logscribe/internal/transport"
)

// registry knows the Scribes. Its methods may be called concurrently.
type registry struct {
	cfg   Config
	store *store
	creds *transport.Credentials

	life context.Context // of all Scribes' goroutines
	end  context.CancelCauseFunc
	wg   sync.WaitGroup

	changing sync.Mutex // held while a registration is stored and takes effect

	mu sync.RWMutex
	// guarded by mu
	scribes map[string]*scribe // by identity
}

var errStopping = errors.New("the mediator is stopping")

// conflict says that a living Scribe has the identity that another one asks for.
type conflict struct {
	living  *scribe
	refused registration
}

func (c *conflict) Error() string {
	return fmt.Sprintf("%s is alive and has another root folder than the Scribe of the same identity at %s: give one of them another id",
		c.living, c.refused.address)
}

func newRegistry(cfg Config, st *store, creds *transport.Credentials) *registry {
	r := &registry{cfg: cfg, store: st, creds: creds, scribes: make(map[string]*scribe)}
	r.life, r.end = context.WithCancelCause(context.Background())
	return r
}

// start begins to check the Scribes that are known from the store. A Scribe that can't even be dialled waits for its
// next registration.
func (r *registry) start(known []registration) {
	for _, k := range known {
		if _, err := r.admit(k, nil, false); err != nil {
			r.cfg.Logger.Warn("ignored a stored scribe", "scribe", k.id, "error", err)
		}
	}
}

// stop ends all that is relayed and waits for the Scribes' goroutines. No register may follow.
func (r *registry) stop() {
	r.end(errStopping)
	r.wg.Wait()
}

// again is the time after which a Scribe should register again.
func (r *registry) again() time.Duration { return 2 * r.cfg.HealthInterval }

// register makes the Scribe known, on disk before it returns, and has it checked.
func (r *registry) register(ctx context.Context, n registration) error {
	if err := r.checkConflict(ctx, n); err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	old := r.get(n.id)
	if old != nil && old.registration == n {
		old.greet()
		return nil
	}
	if err := r.store.putScribe(n); err != nil {
		return err
	}
	fresh, err := r.admit(n, old, true)
	if err != nil {
		return err
	}
	switch {
	case old == nil:
		fresh.logger.Info("scribe registered")
	case old.root != n.root:
		fresh.logger.Warn("scribe registered with another root folder", "before", old.address)
	default:
		fresh.logger.Info("scribe registered anew", "before", old.address)
	}
	if old != nil {
		old.end(fmt.Errorf("%s has registered again, at %s", old, n.address))
	}
	return nil
}

// checkConflict returns a *conflict if another Scribe lives under the identity. At the same address there can't be
// two. Elsewhere the known one counts as alive if it still registers, and answers now: something else may answer at an
// address that a Scribe has left.
func (r *registry) checkConflict(ctx context.Context, n registration) error {
	known := r.get(n.id)
	if known == nil || known.root == n.root || known.address == n.address || known.silentFor() > 3*r.again() {
		return nil
	}
	if known.check(ctx, false) == nil {
		return &conflict{known, n}
	}
	return nil
}

// admit puts a scribe for the registration in the place of old, which may be nil, and starts its checks. greeted says
// that the Scribe has just been heard of.
func (r *registry) admit(n registration, old *scribe, greeted bool) (*scribe, error) {
	if r.life.Err() != nil {
		return nil, errStopping
	}
	s, err := newScribe(r.life, n, r.cfg, r.creds)
	if err != nil {
		return nil, err
	}
	if old != nil {
		_, down, _ := old.state()
		s.downSince = s.downSince.Add(-down)
	}
	s.greeted.Store(greeted)
	r.mu.Lock()
	r.scribes[n.id] = s
	r.mu.Unlock()
	r.wg.Go(s.watch)
	return s, nil
}

// get returns the Scribe of that identity, nil if there is none.
func (r *registry) get(id string) *scribe {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.scribes[id]
}

// all returns the Scribes in the order of their identities.
func (r *registry) all() []*scribe {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*scribe, 0, len(r.scribes))
	for _, s := range r.scribes {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *scribe) int { return strings.Compare(a.id, b.id) })
	return all
}

// settled returns the identities of the Scribes that are up, once each has been checked at least once.
func (r *registry) settled(ctx context.Context) []string {
	var up []string
	for _, s := range r.all() {
		if _, err := s.serving(ctx); err == nil {
			up = append(up, s.id)
		}
	}
	return up
}
