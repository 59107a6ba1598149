package spool

import (
	"context"
	"errors"
	"testing"
)

// TestGivenUpWithinATransaction: a caller who gives up while a transaction has his batch waits for the answer. If the
// transaction found no room there must be one.
func TestGivenUpWithinATransaction(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &writer{}
	over := &request{ctx: ctx, done: make(chan error, 1)}
	other := &request{ctx: t.Context(), done: make(chan error, 1)}
	over.state.Store(taken)
	other.state.Store(taken)
	w.putBack([]*request{over, other})
	select {
	case err := <-over.done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	default:
		t.Error("there was no answer")
	}
	if len(w.waiting) != 1 || w.waiting[0] != other || other.state.Load() != waits {
		t.Errorf("%d wait", len(w.waiting))
	}
}
