package spool

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/pace"
	"github.com/logscribe/logscribe/internal/sabotage"
)

const (
	// maxGroup bounds the payload bytes that one transaction takes from concurrent calls of Append.
	maxGroup = 8 << 20
	// settleDelay is how long settled blocks wait for an append whose transaction removes them on the way.
	settleDelay = 50 * time.Millisecond
	// tick is how often the writer tries again what failed, and looks after the file.
	tick = time.Second
)

// A transaction costs much the same for one line as for a thousand. The first few after a pause begin at once; in a steady
// stream of small batches one begins each gatherTime, or as soon as so many bytes of lines wait that they are worth one.
const (
	gatherBurst = 3
	worthwhile  = 32 << 10
)

var gatherTime = 15 * time.Millisecond // tests set it

// writer is the goroutine that owns all transactions that change the file, with what it alone knows.
type writer struct {
	*Spool
	disk writable

	waiting  []*request
	pace     pace.Pace
	gathers  <-chan time.Time // set while what waits shall wait for more
	lines    int64            // bytes of lines that have come to wait since the last transaction
	settling <-chan time.Time // set while settled blocks wait
	layout   uint64           // grows whenever there may be room that was not there before
	shortage error            // why the disk did not give what was asked for the last time; nil if it did
	troubled bool             // the last transaction failed: until the next tick, none is tried
	unsynced bool             // the folder has to be synced before anything else is durable
	trouble  trouble          // with the disk

	heads   heads
	drops   map[string]uint64 // lines by log that were dropped and are not told yet
	dropped time.Time         // when they were told, the last time

	mendPause  int             // ticks until the pages of blocks are looked at again
	compaction *compaction     // nil while there is none
	hollow     bool            // the file gave its free pages back to the disk
	sparse     int             // ticks for which a compaction has been worth while; below 0, those that it must wait
	usedThen   int64           // what was used at the last tick
	packed     *boltfile.Sized // what repack has made, if it is still in use and nothing was added since
	astray     bool            // the path does not lead to the file
	astraySaid trouble

	quarantine trouble
}

// writable is what changes a file: Sized.Update and Sized.Confirm, but in tests.
type writable interface {
	update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error
	confirm(f *boltfile.Sized) error
}

type disk struct{}

func (disk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	return f.Update(limit, fn)
}

func (disk) confirm(f *boltfile.Sized) error { return f.Confirm() }

func newWriter(s *Spool, d writable) *writer {
	return &writer{
		Spool: s, disk: d, layout: 1, drops: map[string]uint64{}, pace: pace.Pace{Gap: gatherTime, Burst: gatherBurst},
	}
}

func (w *writer) run() {
	defer close(w.stopped)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	w.publish()
	for {
		w.beat.rest()
		select {
		case r := <-w.requests:
			w.take(r)
			w.receive()
			w.work()
		case <-w.gathers:
			w.gathers = nil
			w.work()
		case l := <-w.limits:
			w.limit(l)
		case <-w.settles:
			switch {
			case w.ordered(), len(w.waiting) > 0 && w.gathers == nil:
				w.store(nil, 0)
				w.work()
			case w.settling == nil:
				w.settling = time.After(settleDelay)
			}
		case <-w.settling:
			w.store(nil, 0)
			w.work()
		case <-w.copying():
			w.copySome()
		case <-w.mending():
			_ = w.mendSome() // it has said so
		case <-ticker.C:
			w.lookAfter()
		case <-w.closing:
			w.finish()
			return
		}
	}
}

// work stores what can be stored of the batches that wait.
func (w *writer) work() {
	for !w.early() {
		w.makeRoom()
		group := w.admit()
		if len(group) == 0 {
			break
		}
		w.pace.Begin(time.Now())
		w.lines = linesOf(w.waiting)
		w.store(group, 0)
		w.receive()
	}
	if len(w.waiting) > 0 && w.shortage != nil {
		w.complain(w.shortage)
	}
	w.countWaits()
	w.publish()
}

// early says whether it is too early for the next transaction; then a timer runs until it is not.
func (w *writer) early() bool {
	pause := w.pace.Wait(time.Now())
	if pause == 0 || w.lines >= worthwhile || len(w.waiting) == 0 {
		return false
	}
	if w.gathers == nil {
		w.gathers = time.After(pause)
	}
	return true
}

// lookAfter is done at each tick.
func (w *writer) lookAfter() {
	if w.file.Check() != nil {
		w.noteFailure() // also while nothing is written
	}
	if w.troubled || w.shortage != nil {
		w.troubled = false
		w.layout++
		w.extend(0)
	}
	w.store(nil, 0)
	w.work()
	w.lookForFile()
	w.considerCompaction()
	w.mendPause = max(0, w.mendPause-1)
	w.tellDrops()
	w.trouble.end(w.logger, "the spool can be written again", "path", w.path)
}

// finish is done at Close.
func (w *writer) finish() {
	answer(w.waiting, ErrClosed)
	w.waiting = nil
	w.troubled = false
	w.dropped = time.Time{}
	w.tellDrops()
	w.store(nil, 0)
	w.lookForFile()
	for w.astray && w.compaction != nil {
		w.copySome()
	}
	w.endCompaction()
}

// task is what a transaction shall do.
type task struct {
	group   []*request
	settled map[string]uint64 // as in Spool
	orders  orders
	arrived map[string]arrival
	told    map[string]uint64
	drop    int64 // remove the oldest blocks, of so many bytes at least
}

// store stores the group, and lets what is settled leave, and the oldest blocks, of so many bytes at least.
func (w *writer) store(group []*request, drop int64) {
	w.settling = nil
	c := task{group: group, drop: drop}
	w.mu.Lock()
	c.settled, c.orders, c.arrived, c.told = maps.Clone(w.settled), w.orders.clone(), maps.Clone(w.arrived), maps.Clone(w.told)
	w.mu.Unlock()
	if len(group) == 0 && len(c.settled) == 0 && c.orders.empty() && len(c.arrived)+len(c.told) == 0 && drop == 0 || w.troubled {
		w.putBack(group)
		return
	}
	if err := w.syncFolder(); err != nil {
		w.fail(group, err)
		return
	}
	if sabotage.On(sabotage.Joint) {
		w.checkpointsFirst(group)
	}
	w.apply(c)
}

// apply runs a transaction, and answers its group or lets it wait again.
func (w *writer) apply(c task) {
	t, err := w.transact(c)
	switch {
	case err == nil:
		w.adopt(t)
		answer(c.group, nil)
	case isFull(err) && len(c.group) > 0:
		w.putBack(c.group)
		w.store(nil, 0) // what is settled leaves alone, with the help of the reserve
	case isFull(err) && len(c.settled) > 1:
		for log, through := range c.settled { // one log takes fewer pages than all
			w.apply(task{settled: map[string]uint64{log: through}})
		}
	case t.failed || errors.Is(err, ErrDamaged):
		err = fmt.Errorf("write spool %s: %w", w.path, err)
		answer(c.group, err)
		if len(c.group) == 0 {
			w.complain(err)
		}
	case w.shows(t):
		w.confirm(t, err)
	default:
		w.fail(c.group, err)
	}
}

// transact runs a transaction, anew after it has failed for want of room in the file and the file was extended.
func (w *writer) transact(c task) (*transaction, error) {
	limit := w.file.End()
	if len(c.group) > 0 {
		w.yieldTo(c.group)
		w.extend(w.need(c.group))
		limit = w.batchLimit()
	}
	t, err := w.try(c, limit)
	if isFull(err) && w.file.MustMend() { // the list of free pages may be what has no room
		if errors.Is(w.mendRest(), ErrClosed) {
			return t, err
		}
		t, err = w.try(c, limit)
	}
	for n := w.need(c.group); isFull(err) && w.extendFor(c, n); n *= 2 {
		limit = w.file.End()
		if len(c.group) > 0 && !w.isEmpty() {
			limit = w.batchLimit()
		}
		t, err = w.try(c, limit)
	}
	return t, err
}

func (w *writer) try(c task, limit int64) (*transaction, error) {
	w.beat.rest() // a transaction is one thing, a stream of them is not
	t := w.transaction(c)
	begin := time.Now()
	err := w.disk.update(w.file, limit, t.run)
	if err == nil {
		w.commits.Since(begin)
	}
	w.noteFailure()
	if err != nil {
		w.heads.reset() // they have followed what was not committed
		return t, err
	}
	t.recycle()
	return t, nil
}

// shows says whether the file shows a transaction that failed. Then what it wrote is whole, and only the last sync, of
// the page that makes it count, has failed.
func (w *writer) shows(t *transaction) bool {
	id := 0
	err := w.file.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil })
	return err == nil && id == t.id
}

// confirm makes a transaction durable that the file shows but the disk has not confirmed: to run it again would store
// its batches twice.
func (w *writer) confirm(t *transaction, err error) {
	group := t.group
	for {
		if !w.shows(t) { // the system has dropped the page that could not be written
			w.fail(group, err)
			return
		}
		w.countError()
		w.complain(err)
		w.beat.rest() // that the disk fails is no reason to start the agent again
		if err = w.disk.confirm(w.file); err == nil {
			break
		}
		uncertain := fmt.Errorf("%w: %w", ErrUncertain, err)
		group = slices.DeleteFunc(group, func(r *request) bool {
			over := r.ctx.Err()
			if over != nil {
				r.done <- uncertain
			}
			return over != nil
		})
		select {
		case <-time.After(tick):
			continue
		case <-w.closing:
		}
		answer(group, uncertain)
		group = nil
		break
	}
	w.adopt(t)
	answer(group, nil)
}

// fail lets the group wait until the disk works again.
func (w *writer) fail(group []*request, err error) {
	w.troubled = true
	w.putBack(group)
	w.countError()
	w.complain(err)
}

func (w *writer) countError() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.DiskErrors++
}

func (w *writer) complain(err error) {
	w.trouble.report(w.logger, "the spool can't be written: lines wait until it can", "path", w.path, "waiting_batches", len(w.waiting), "error", err)
}

// size returns the bytes of all block records.
func (s *Spool) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// isEmpty says whether the spool holds no block.
func (s *Spool) isEmpty() bool { return s.size() == 0 }

// adopt makes a committed transaction's result the state that others see.
func (w *writer) adopt(t *transaction) {
	w.mu.Lock()
	forget(w.settled, t.settled)
	w.orders.forget(&t.orders)
	for log, a := range t.arrived {
		left := arrival{w.arrived[log].lines - a.lines, w.arrived[log].bytes - a.bytes}
		if w.arrived[log] = left; left.lines == 0 {
			delete(w.arrived, log)
		}
	}
	w.adoptLossesLocked(t)
	forget(w.told, t.told)
	for _, d := range t.drops {
		w.drops[d.log] += d.last - d.first + 1
		w.droppedLocked(d)
	}
	w.current = t.current
	maps.Copy(w.queues, t.changed)
	maps.Copy(w.added, t.added)
	w.bytes = t.bytes
	w.stats.StoredLines += t.lines
	w.stats.StoredBytes += t.raw
	w.tellEmptyLocked()
	w.mu.Unlock()
	if t.removed {
		w.layout++
	}
	for _, say := range t.committed {
		say()
	}
	w.heads.add(t.added)
	if len(t.added) > 0 {
		w.packed = nil
	}
	w.tellDrops()
	w.publish()
	if len(t.added) > 0 {
		w.signal()
	}
}
