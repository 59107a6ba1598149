package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
)

// ErrUncertain says that the disk failed in the middle of a transaction, and the spool was closed, or the caller gave
// up, before it was known whether the batch is stored. It is whole or not at all, as the next Open shows.
var ErrUncertain = errors.New("the disk failed: whether the lines are stored shows at the next start")

// request is one call of Append, answered exactly once: by the writer, or by its caller who gives up.
type request struct {
	ctx   context.Context
	batch Batch // the caller's again once it has given up
	logs  []string
	bytes int64      // of its records
	lines int64      // bytes of its lines
	done  chan error // capacity 1
	state atomic.Int32

	// The writer's own.
	waited bool   // it is counted among those that had to wait
	tried  uint64 // the layout of the file in which there was no room for it
}

// The states of a request.
const (
	waits   int32 = iota // its caller may give up
	taken                // the writer has it in a transaction
	givenUp              // its caller has returned
)

// Append stores the batch in one transaction and returns once it is synced to disk. Small batches that come in a steady
// stream wait for each other for some milliseconds, to share one. It waits too while the disk is full or fails, and while
// the spool is full unless the policy is to drop; a batch of a log waits while that log holds more than four times what is
// free. Batches of concurrent calls are stored in any order, those of one log in that of the calls.
//
// When it returns an error, nothing of the batch is stored, unless that wraps ErrUncertain; the error is ctx's,
// ErrClosed, or says what is wrong with the batch or the spool, and then trying again is no use. The drafts' payloads
// may be reused after it returns.
func (s *Spool) Append(ctx context.Context, batch Batch) error {
	r := &request{ctx: ctx, batch: batch, done: make(chan error, 1)}
	for _, d := range batch.Drafts {
		if err := check(&d); err != nil {
			return err
		}
		if !slices.Contains(r.logs, d.Log) {
			r.logs = append(r.logs, d.Log)
		}
		r.bytes += recordSize(&d)
		r.lines += int64(d.RawSize)
	}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waits, givenUp) {
		return ctx.Err()
	}
	return <-r.done
}

// check returns an error for a draft that no Scribe would take.
func check(d *block.Draft) error {
	if err := logname.Check(d.Log); err != nil {
		return err
	}
	if d.Count == 0 || d.RawSize > block.MaxRawSize || len(d.Payload) > block.MaxPayloadSize {
		return fmt.Errorf("log %q: a block of %d lines in %d bytes; it must have lines, and not more than %d bytes", d.Log, d.Count, d.RawSize, block.MaxRawSize)
	}
	if n := d.Reached.Size(); n > block.MaxCheckpointSize {
		return fmt.Errorf("log %q: a checkpoint of %d bytes, %d are allowed", d.Log, n, block.MaxCheckpointSize)
	}
	return nil
}

// take lets a call of Append wait for its transaction.
func (w *writer) take(r *request) {
	w.waiting = append(w.waiting, r)
	w.lines += r.lines
}

func linesOf(requests []*request) (bytes int64) {
	for _, r := range requests {
		bytes += r.lines
	}
	return bytes
}

// receive takes the calls of Append that have come.
func (w *writer) receive() {
	for {
		select {
		case r := <-w.requests:
			w.take(r)
		default:
			return
		}
	}
}

// admit takes from the waiting batches those that the next transaction shall store. A batch that must wait holds up
// later ones of its logs alone. Into an empty spool one batch goes, however large.
func (w *writer) admit() []*request {
	if w.troubled {
		return nil
	}
	var group []*request
	var bytes int64
	room, empty := w.roomLeft(), w.isEmpty()
	adding, barred := map[string]uint64{}, map[string]bool{}
	w.waiting = slices.DeleteFunc(w.waiting, func(r *request) bool {
		wait := r.tried == w.layout || bytes >= maxGroup ||
			slices.ContainsFunc(r.logs, func(log string) bool { return barred[log] }) ||
			w.lacksRoom(r, adding, room-bytes) && !(empty && len(group) == 0)
		if wait || !r.state.CompareAndSwap(waits, taken) {
			for _, log := range r.logs {
				barred[log] = wait
			}
			return !wait
		}
		for _, log := range r.logs {
			adding[log] += uint64(r.bytes)
		}
		group, bytes = append(group, r), bytes+r.bytes
		return true
	})
	return group
}

// lacksRoom says whether the batch must wait. The transaction under way already adds bytes to its logs.
func (w *writer) lacksRoom(r *request, adding map[string]uint64, room int64) bool {
	if len(r.logs) == 0 || w.whenFull == DropOldest {
		return r.bytes > room
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(r.logs, func(log string) bool {
		return mustWait(w.queues[log].bytes+adding[log], r.bytes, room)
	})
}

// makeRoom lets settled blocks leave if the first batch finds no room, and drops the oldest ones if that is the policy.
func (w *writer) makeRoom() {
	w.waiting = slices.DeleteFunc(w.waiting, func(r *request) bool { return r.state.Load() == givenUp })
	lacks := func() bool {
		return len(w.waiting) > 0 && !w.troubled && !w.isEmpty() &&
			(w.waiting[0].tried == w.layout || w.lacksRoom(w.waiting[0], nil, w.roomLeft()))
	}
	if lacks() {
		w.store(nil, 0)
	}
	for w.whenFull == DropOldest && lacks() {
		before := w.size()
		w.store(nil, max(w.waiting[0].bytes, w.maxSize/dropShare))
		if w.size() == before {
			return
		}
	}
}

// countWaits counts the batches that wait for room.
func (w *writer) countWaits() {
	if w.gathers != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.waiting {
		if !r.waited {
			r.waited = true
			w.stats.Waits++
		}
	}
}

// putBack lets the group wait again, before all others.
func (w *writer) putBack(group []*request) {
	var waiting []*request
	for _, r := range group {
		r.tried = w.layout
		r.state.Store(waits)
		if r.ctx.Err() != nil && r.state.CompareAndSwap(waits, givenUp) {
			r.done <- r.ctx.Err() // its caller could not give up, and would wait for an answer
			continue
		}
		waiting = append(waiting, r)
	}
	w.waiting = append(waiting, w.waiting...)
}

// answer ends the calls of the group.
func answer(group []*request, err error) {
	for _, r := range group {
		r.done <- err
	}
}
