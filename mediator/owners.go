package mediator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// maxBatch bounds the decisions that one transaction stores.
const maxBatch = 4096

var errNoScribe = errors.New("no Scribe is up")

// owners knows the owner of each log. Its methods may be called concurrently, except run and stop.
//
// One goroutine makes all decisions, in batches: while one batch is being stored, the next one gathers. So there are
// never two decisions on a log at a time, and a thousand new logs cost a few syncs.
type owners struct {
	cfg      Config
	store    *store
	registry *registry
	started  time.Time

	requests chan *decision // sent by decide, closed by nobody
	quit     chan struct{}  // closed by stop
	done     chan struct{}  // closed by run

	failovers, raises atomic.Uint64
	settling          atomic.Int64 // since when run settles a batch, nanoseconds since 1970 UTC; 0 while it does not

	mu sync.RWMutex
	// guarded by mu; written by run alone
	known map[string]ownership
}

// decision asks for the owner of a log. Once done is closed, either own or err is set.
type decision struct {
	log  string
	seen ownership // what the owner has seen; zero unless it refused our epoch

	done chan struct{}
	own  ownership
	err  error
}

func newOwners(cfg Config, st *store, r *registry, known map[string]ownership) *owners {
	return &owners{
		cfg: cfg, store: st, registry: r, started: cfg.now(), known: known,
		requests: make(chan *decision, 256),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
	}
}

var settledAlready = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// find begins to find the log's owner, and chooses one if it has none or has lost it for too long. The decision is
// done already where nothing needs to be chosen. find blocks only while more than a batch is waiting.
func (o *owners) find(ctx context.Context, log string) *decision {
	own, ok := o.get(log)
	if ok && !o.lost(own) {
		return &decision{log: log, own: own, done: settledAlready}
	}
	return o.decide(ctx, &decision{log: log})
}

// resolve is find that waits.
func (o *owners) resolve(ctx context.Context, log string) (ownership, error) {
	return o.find(ctx, log).wait(ctx)
}

// raise begins to make the epoch under which the owner is sent the log at least the one that it has seen, after this mediator's
// memory was lost or another mediator decided. It is not made larger than that: then two mediators with memories of
// their own settle on one epoch instead of outbidding each other for good.
func (o *owners) raise(ctx context.Context, log string, seen ownership) *decision {
	return o.decide(ctx, &decision{log: log, seen: seen})
}

func (o *owners) decide(ctx context.Context, d *decision) *decision {
	d.done = make(chan struct{})
	select {
	case o.requests <- d:
	case <-ctx.Done():
		d.fail(ctx.Err())
	case <-o.quit:
		d.fail(errStopping)
	}
	return d
}

func (d *decision) fail(err error) {
	d.err = err
	close(d.done)
}

func (d *decision) wait(ctx context.Context) (ownership, error) {
	select {
	case <-d.done:
		return d.own, d.err
	case <-ctx.Done():
		return ownership{}, ctx.Err()
	}
}

// lost says whether the owner has been down for so long that the log may get another.
func (o *owners) lost(own ownership) bool {
	if o.cfg.FailoverAfter < 0 {
		return false
	}
	down := o.cfg.now().Sub(o.started)
	if s := o.registry.get(own.owner); s != nil {
		_, down, _ = s.state()
	}
	return down >= o.cfg.FailoverAfter
}

// run makes the decisions until stop.
func (o *owners) run() {
	defer close(o.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	context.AfterFunc(o.registry.life, cancel)
	for {
		select {
		case d := <-o.requests:
			o.settling.Store(time.Now().UnixNano())
			o.settle(ctx, o.gather(d))
			o.settling.Store(0)
		case <-o.quit:
			for _, d := range o.gather(nil) {
				d.fail(errStopping)
			}
			return
		}
	}
}

// stop waits for run, which must have been started. Decisions still wanted fail.
func (o *owners) stop() {
	close(o.quit)
	<-o.done
}

// gather returns first, unless it is nil, and all that waits behind it.
func (o *owners) gather(first *decision) []*decision {
	var batch []*decision
	if first != nil {
		batch = append(batch, first)
	}
	for len(batch) < maxBatch {
		select {
		case d := <-o.requests:
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}

// settle makes the decisions of a batch, stores what has changed, and only then lets anyone use it.
func (o *owners) settle(ctx context.Context, batch []*decision) {
	changed := make(map[string]ownership)
	var up []string // asked for once a batch, and only if there is something to choose
	for _, d := range batch {
		cur, ok := changed[d.log]
		if !ok {
			cur, ok = o.known[d.log]
		}
		switch {
		case d.seen != ownership{}:
			d.own = cur
			if ok && cur.owner == d.seen.owner && cur.epoch < d.seen.epoch {
				d.own.epoch = d.seen.epoch
			}
		case ok && !o.lost(cur):
			d.own = cur
		default:
			if up == nil {
				up = o.registry.settled(ctx)
			}
			d.own, d.err = o.elect(d.log, cur, up)
		}
		if d.err == nil && d.own != cur {
			changed[d.log] = d.own
		}
	}
	o.commit(batch, changed)
}

// elect chooses the owner of a log that has none, or whose owner is lost: then cur is not zero, and stays the owner as
// long as there is nobody else.
func (o *owners) elect(log string, cur ownership, up []string) (ownership, error) {
	if cur != (ownership{}) && (len(up) == 0 || !o.lost(cur)) {
		return cur, nil
	}
	if len(up) == 0 {
		return ownership{}, errNoScribe
	}
	return ownership{owner: choose(up, log), epoch: cur.epoch + 1}, nil
}

func (o *owners) commit(batch []*decision, changed map[string]ownership) {
	var err error
	if len(changed) > 0 {
		if err = o.store.putOwners(changed); err != nil {
			err = fmt.Errorf("the mediator can't store who owns the log: %w", err)
			o.cfg.Logger.Error("can't store owners", "logs", len(changed), "error", err)
		}
	}
	if err == nil {
		for log, own := range changed {
			o.announce(log, o.known[log], own)
		}
		o.mu.Lock()
		maps.Copy(o.known, changed)
		o.mu.Unlock()
	}
	for _, d := range batch {
		if _, ok := changed[d.log]; ok && err != nil {
			d.own, d.err = ownership{}, err
		}
		close(d.done)
	}
}

func (o *owners) announce(log string, before, after ownership) {
	switch {
	case before == ownership{}:
		o.cfg.Logger.Debug("log has an owner", "log", log, "owner", after.owner)
	case before.owner != after.owner:
		o.failovers.Add(1)
		o.cfg.Logger.Warn("log failed over: lines that its old owner took without a receipt may stand twice",
			"log", log, "before", before.owner, "owner", after.owner, "epoch", after.epoch)
	default:
		o.raises.Add(1)
		o.cfg.Logger.Warn("epoch raised to what the owner has seen: this mediator's memory is not the latest",
			"log", log, "owner", after.owner, "before", before.epoch, "epoch", after.epoch)
	}
}

// get returns the log's owner, if it has one, up or not.
func (o *owners) get(log string) (own ownership, ok bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	own, ok = o.known[log]
	return own, ok
}

// all returns the owners of the logs whose names match.
func (o *owners) all(match func(log string) bool) map[string]ownership {
	o.mu.RLock()
	all := maps.Clone(o.known) // quicker than to match each under the lock
	o.mu.RUnlock()
	maps.DeleteFunc(all, func(log string, _ ownership) bool { return !match(log) })
	return all
}

// count returns the number of logs that each Scribe owns.
func (o *owners) count() map[string]int {
	n := make(map[string]int)
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, own := range o.known {
		n[own.owner]++
	}
	return n
}
