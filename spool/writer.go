package spool

import (
	"context"
	"fmt"
	"maps"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/sabotage"
)

const (
	// maxGroup bounds the payload bytes that one transaction takes from concurrent calls of Append.
	maxGroup = 8 << 20
	// settleDelay is how long settled blocks wait for an append whose transaction removes them on the way.
	settleDelay = 50 * time.Millisecond
	// roomRetry is how often a full spool tries again to remove what is settled.
	roomRetry = time.Second
	// complainEvery is how often a trouble of the writer that lasts is logged.
	complainEvery = 10 * time.Second
)

// request is one call of Append, answered exactly once by the writer.
type request struct {
	ctx   context.Context
	batch Batch
	bytes int64
	done  chan error // capacity 1
}

// Append stores the batch in one transaction and returns once it is synced to disk. While the spool is full it waits,
// unless the policy is to drop. When it returns an error, nothing of the batch is stored; the error is ctx's, ErrClosed,
// or says what is wrong with the batch or the disk. The drafts' payloads may be reused after it returns.
func (s *Spool) Append(ctx context.Context, batch Batch) error {
	r := &request{ctx: ctx, batch: batch, done: make(chan error, 1)}
	for _, d := range batch.Drafts {
		if err := check(&d); err != nil {
			return err
		}
		r.bytes += recordSize(&d)
	}
	select {
	case s.requests <- r:
		return <-r.done
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	}
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

// write is the goroutine that owns all transactions that change the file.
func (s *Spool) write() {
	defer close(s.stopped)
	var settle <-chan time.Time // set while settled blocks wait
	for {
		select {
		case r := <-s.requests:
			for r != nil {
				var group []*request
				group, r = s.gather(r)
				s.store(group)
			}
		case <-s.settles:
			switch {
			case s.ordered():
				settle = time.After(0)
			case settle == nil:
				settle = time.After(settleDelay)
			}
		case <-settle:
			settle = nil
			s.store(nil)
			if s.ordered() { // the disk did not take it
				settle = time.After(roomRetry)
			}
		case <-s.closing:
			s.store(nil)
			return
		}
	}
}

// gather waits until there is room for the first request, and adds those that wait behind it. It also returns a request
// that it has received and that must wait for room of its own.
func (s *Spool) gather(first *request) (group []*request, next *request) {
	if !s.makeRoom(first) {
		return nil, nil
	}
	group, bytes := []*request{first}, first.bytes
	for bytes < maxGroup {
		select {
		case r := <-s.requests:
			if s.whenFull == Block && s.lacksRoom(bytes+r.bytes) {
				return group, r
			}
			group, bytes = append(group, r), bytes+r.bytes
		default:
			return group, nil
		}
	}
	return group, nil
}

func (s *Spool) lacksRoom(bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.maxSize > 0 && s.bytes > 0 && s.bytes+bytes > s.maxSize
}

// makeRoom returns true when the request fits. Otherwise it has answered it.
func (s *Spool) makeRoom(r *request) bool {
	for s.lacksRoom(r.bytes) {
		before := s.size()
		s.store(nil) // what is settled leaves first
		if s.size() < before {
			continue
		}
		if s.whenFull == DropOldest {
			return true // the transaction drops what stands in the way
		}
		select {
		case <-s.settles:
		case <-time.After(roomRetry): // what is settled may not have left because the disk failed
		case <-r.ctx.Done():
			r.done <- r.ctx.Err()
			return false
		case <-s.closing:
			r.done <- ErrClosed
			return false
		}
	}
	return true
}

func (s *Spool) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// store runs one transaction for the group and for what is to be done beside, and answers the group.
func (s *Spool) store(group []*request) {
	t := s.transaction()
	if len(group) == 0 && len(t.settled) == 0 && t.orders.empty() {
		return
	}
	if sabotage.On(sabotage.Joint) {
		s.checkpointsFirst(group)
	}
	err := s.db.Update(func(tx *bolt.Tx) error { return t.run(tx, group) })
	if err == nil {
		s.adopt(t)
	} else {
		err = fmt.Errorf("write spool %s: %w", s.path, err)
		if len(group) == 0 {
			s.complain("settled blocks stay in the spool for now", "error", err)
		}
	}
	for _, r := range group {
		r.done <- err
	}
}

// complain logs what the writer can't do, but not each time that it tries.
func (s *Spool) complain(message string, args ...any) {
	if now := time.Now(); now.Sub(s.complained) >= complainEvery {
		s.complained = now
		s.logger.Warn(message, args...)
	}
}

// adopt makes a committed transaction's result the state that others see.
func (s *Spool) adopt(t *transaction) {
	s.mu.Lock()
	forget(s.settled, t.settled)
	s.orders.forget(&t.orders)
	for log, q := range t.changed {
		if q.dropped > s.queues[log].dropped {
			s.logger.Warn("the spool is full: dropped its oldest lines",
				"log", log, "lines", q.dropped-s.queues[log].dropped, "dropped_in_all", q.dropped)
		}
	}
	s.current = t.current
	maps.Copy(s.queues, t.changed)
	maps.Copy(s.added, t.added)
	s.bytes = t.bytes
	s.tellEmptyLocked()
	s.mu.Unlock()
	for _, say := range t.committed {
		say()
	}
	if len(t.added) > 0 {
		s.signal()
	}
}

// transaction gathers the changes of one bbolt transaction, which count only once it is committed.
type transaction struct {
	spool   *Spool
	meta    *bolt.Bucket
	blocks  *bolt.Bucket
	current current
	settled map[string]uint64 // as in Spool
	orders  orders
	changed map[string]queue
	bytes   int64
	added   map[string]struct{} // logs of which the shipper is told
	// committed is what to say once it is.
	committed []func()
}

// transaction returns one that will do what is to be done beside appending.
func (s *Spool) transaction() *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &transaction{
		spool: s, current: s.current, bytes: s.bytes,
		settled: maps.Clone(s.settled), orders: s.orders.clone(),
		changed: map[string]queue{}, added: map[string]struct{}{},
	}
}

func (t *transaction) run(tx *bolt.Tx, group []*request) error {
	t.meta, t.blocks = tx.Bucket(bucketMeta), tx.Bucket(bucketBlocks)
	for log, through := range t.settled {
		if err := t.settle(log, through); err != nil {
			return err
		}
	}
	if err := t.carryOut(); err != nil {
		return err
	}
	now := time.Now()
	for _, r := range group {
		for i := range r.batch.Drafts {
			if err := t.add(&r.batch.Drafts[i], now); err != nil {
				return err
			}
		}
		for _, c := range r.batch.Checkpoints {
			if err := putCheckpoint(tx.Bucket(bucketCheckpoints), c); err != nil {
				return err
			}
		}
	}
	for log, q := range t.changed {
		if err := tx.Bucket(bucketQueues).Put([]byte(log), encodeQueue(q)); err != nil {
			return err
		}
	}
	return nil
}

func putCheckpoint(b *bolt.Bucket, c Checkpoint) error {
	if c.Value == nil {
		return b.Delete([]byte(c.Key))
	}
	return b.Put([]byte(c.Key), c.Value)
}

// queue returns the log's state as this transaction leaves it so far.
func (t *transaction) queue(log string) queue {
	if q, ok := t.changed[log]; ok {
		return q
	}
	t.spool.mu.Lock()
	defer t.spool.mu.Unlock()
	if q, ok := t.spool.queues[log]; ok {
		return q
	}
	q := newQueue(t.nextIDLocked(), t.current.producer)
	if !t.current.fresh {
		q.unmet = q.next
	}
	return q
}

// nextIDLocked returns a number that no log has: logs are numbered from 1 and never leave.
func (t *transaction) nextIDLocked() uint32 {
	n := len(t.spool.queues)
	for log := range t.changed {
		if _, known := t.spool.queues[log]; !known {
			n++
		}
	}
	return uint32(n + 1)
}

func (t *transaction) add(d *block.Draft, now time.Time) error {
	record := recordSize(d)
	if t.spool.whenFull == DropOldest {
		if err := t.dropFor(record); err != nil {
			return err
		}
	}
	q := t.queue(d.Log)
	id := q.extend(t.current.producer)
	b := d.Seal(id.producer, id.sequence(q.next))
	value := encodeRecord(make([]byte, 0, record), &b, now)
	if err := t.blocks.Put(blockKey(q.id, q.next), value); err != nil {
		return err
	}
	q.next += uint64(b.Count)
	q.bytes += uint64(len(value))
	t.bytes += int64(len(value))
	t.changed[d.Log] = q
	t.added[d.Log] = struct{}{}
	return nil
}

// settle removes the log's blocks whose lines are all settled.
func (t *transaction) settle(log string, through uint64) error {
	q := t.queue(log)
	for q.oldest < q.next {
		_, last := t.head(q)
		if last > through {
			break
		}
		var err error
		if q, err = t.removeHead(q, last); err != nil {
			return err
		}
	}
	t.changed[log] = q
	return nil
}

// head returns the record of the queue's oldest block and the last position in it. The record need not be sound, nor be
// there: its block ends at the latest where the next one begins.
func (t *transaction) head(q queue) (record []byte, last uint64) {
	last = q.next - 1
	c := t.blocks.Cursor()
	key, value := c.Seek(blockKey(q.id, q.oldest))
	if first, ok := keyPosition(key, q.id); ok && first == q.oldest {
		record = value
		if b, _, err := decodeRecord(record); err == nil && b.Count > 0 {
			last = min(last, q.oldest+uint64(b.Count)-1)
		}
		key, _ = c.Next()
	}
	if next, ok := keyPosition(key, q.id); ok {
		last = min(last, next-1)
	}
	return record, last
}

// removeHead deletes the queue's oldest block, whose last position is last.
func (t *transaction) removeHead(q queue, last uint64) (queue, error) {
	key := blockKey(q.id, q.oldest)
	n := uint64(len(t.blocks.Get(key)))
	if err := t.blocks.Delete(key); err != nil {
		return q, err
	}
	q.oldest = last + 1
	if q.oldest == q.next { // records that are not there any more leave with the last one
		n = q.bytes
	}
	q.bytes -= n
	t.bytes -= int64(n)
	q.trim()
	return q, nil
}

// dropFor removes the oldest blocks of the whole spool until a record of that size fits.
func (t *transaction) dropFor(record int64) error {
	for t.spool.maxSize > 0 && t.bytes > 0 && t.bytes+record > t.spool.maxSize {
		log, q, err := t.oldest()
		if err != nil {
			return err
		}
		_, last := t.head(q)
		q.dropped += last - q.oldest + 1
		if q, err = t.removeHead(q, last); err != nil {
			return err
		}
		t.changed[log] = q
	}
	return nil
}

// oldest returns the queue whose first block was stored before all others'.
func (t *transaction) oldest() (log string, oldest queue, err error) {
	t.spool.mu.Lock()
	all := maps.Clone(t.spool.queues)
	t.spool.mu.Unlock()
	maps.Copy(all, t.changed)
	var when time.Time
	for name, q := range all {
		if q.oldest == q.next {
			continue
		}
		_, stored, err := decodeRecord(t.blocks.Get(blockKey(q.id, q.oldest)))
		if err != nil {
			stored = time.Time{} // what is damaged goes first
		}
		if log == "" || stored.Before(when) {
			log, oldest, when = name, q, stored
		}
	}
	if log == "" {
		return "", queue{}, fmt.Errorf("%w: it holds %d bytes and no block", ErrDamaged, t.bytes)
	}
	return log, oldest, nil
}
