package spool

import "maps"

// orders is what has to be done to logs before more of them may be sent. The next transaction carries it out; until then
// the logs are held. All maps are by log.
type orders struct {
	met   map[string]struct{} // unmet lines may be sent
	fork  map[string]uint64   // lines from this position on get a new producer
	aside map[string]aside    // the oldest block is to be set aside
}

func newOrders() orders {
	return orders{met: map[string]struct{}{}, fork: map[string]uint64{}, aside: map[string]aside{}}
}

func (o *orders) clone() orders {
	return orders{met: maps.Clone(o.met), fork: maps.Clone(o.fork), aside: maps.Clone(o.aside)}
}

func (o *orders) empty() bool { return len(o.met)+len(o.fork)+len(o.aside) == 0 }

// holds says whether there is something to be done to the log.
func (o *orders) holds(log string) bool {
	_, met := o.met[log]
	_, fork := o.fork[log]
	_, aside := o.aside[log]
	return met || fork || aside
}

// forget removes what is done, unless it has changed meanwhile.
func (o *orders) forget(done *orders) {
	forget(o.met, done.met)
	forget(o.fork, done.fork)
	forget(o.aside, done.aside)
}

func forget[V comparable](all, done map[string]V) {
	for log, v := range done {
		if all[log] == v {
			delete(all, log)
		}
	}
}

// ordered says whether a log is held.
func (s *Spool) ordered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.orders.empty()
}

// carryOut does what the orders say, after what is settled has left. Those that can't be carried out now, because the
// quarantine can't be written, are removed from the transaction's.
func (t *transaction) carryOut() error {
	for log := range t.orders.met {
		q := t.queue(log)
		q.unmet = 0
		t.changed[log], t.added[log] = q, struct{}{}
	}
	for log, at := range t.orders.fork {
		if err := t.fork(log, at); err != nil {
			return err
		}
		t.added[log] = struct{}{}
	}
	for log, a := range t.orders.aside {
		if err := t.setAside(log, a); err != nil {
			t.writer.quarantine.report(t.writer.logger, "a block can't be set aside: its log waits", "log", log, "error", err)
			delete(t.orders.aside, log)
			continue
		}
		t.added[log] = struct{}{}
	}
	return nil
}
