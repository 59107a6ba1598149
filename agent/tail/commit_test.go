package tail

import (
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
)

// TestPositionAndBatchMoveTogether: once a position has moved, its batch counts as on its way, until it is committed.
// Otherwise a newer generation that waits for these bytes might go on, and overtake them.
func TestPositionAndBatchMoveTogether(t *testing.T) {
	f := newFixture(t, "app.log")
	f.spool.blocked = make(chan struct{})
	s, err := New(f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	g, b := &generation{dueIndex: -1}, newBatch(4)
	b.add(block.NewDraft(nil, "app", []byte("one\n"), block.None))
	if err := s.budget.Acquire(t.Context(), b.weight); err != nil {
		t.Fatal(err)
	}
	settled := func() int64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return g.settledLocked()
	}
	s.advance(t.Context(), g, b, advance{used: 4, seen: 4})
	if got := settled(); got != 0 {
		t.Errorf("%d bytes are settled before their batch is committed", got)
	}
	close(f.spool.blocked)
	s.commits.Wait()
	if got := settled(); got != 4 {
		t.Errorf("%d bytes are settled after it", got)
	}
}

// TestPositionThatWaitedIsStored though nothing was left of the lines: in a file that grows all the time, there is no
// other moment.
func TestPositionThatWaitedIsStored(t *testing.T) {
	f := newFixture(t, "app.log")
	s, err := New(f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &generation{dueIndex: -1}
	for _, waited := range []time.Duration{0, saveDelay} {
		if waited > 0 {
			g.unsaved = now().Add(-waited)
		}
		b := newBatch(4)
		if err := s.budget.Acquire(t.Context(), b.weight); err != nil {
			t.Fatal(err)
		}
		s.advance(t.Context(), g, b, advance{used: 4, seen: 4})
		s.commits.Wait()
		if stored := f.spool.appends > 0; stored != (waited > 0) {
			t.Errorf("after %v: stored %t", waited, stored)
		}
	}
	if !s.budget.TryAcquire(budget) {
		t.Error("a batch that was not needed keeps its share of the budget")
	}
}

// A worker that held a file while its last batch is stored would find it closed.
func TestNobodyHoldsAFileThatEnds(t *testing.T) {
	f := newFixture(t, "app.log")
	f.spool.blocked = make(chan struct{})
	s, err := New(f.cfg)
	f.check(err)
	g := &generation{name: f.path("app.log"), lineage: &lineage{}}
	s.letGo(t.Context(), g)
	if s.enqueueLocked(g); g.state != idle {
		t.Error("it is queued")
	}
	close(f.spool.blocked)
	s.commits.Wait()
}
