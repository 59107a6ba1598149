package spool

import (
	"errors"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
)

// mappedAtRemoval is how many bytes of the file may come into memory with a block that is removed: the page that bbolt
// looks at, and those around it that the system has at hand.
const mappedAtRemoval = 64 << 10

// transaction gathers the changes of one bbolt transaction, which count only once it is committed.
type transaction struct {
	task
	writer     *writer
	id         int
	failed     bool // for a reason of its own, not the disk's
	now        time.Time
	meta       *bolt.Bucket
	lossBucket *bolt.Bucket
	blocks     blocks
	current    current
	changed    map[string]queue
	losses     losses // that it changes; without anything in it, an entry is gone
	lossFiles  lossFiles
	bytes      int64
	lines      uint64              // that it stores
	raw        uint64              // bytes of these lines
	added      map[string]struct{} // logs of which the shipper is told
	removed    bool                // some blocks
	drops      []dropped
	records    []*[]byte // of recordBuffers: bbolt goes by what is in them until the end
	// committed is what to say once it is.
	committed []func()
}

// transaction returns one that will do the task.
func (w *writer) transaction(c task) *transaction {
	c.orders = c.orders.clone() // it removes those that it can't carry out
	w.mu.Lock()
	defer w.mu.Unlock()
	return &transaction{
		task: c, writer: w, current: w.current, bytes: w.bytes, lossFiles: w.lossFiles,
		changed: map[string]queue{}, losses: losses{}, added: map[string]struct{}{},
	}
}

func (t *transaction) run(tx *bolt.Tx) error {
	t.id = tx.ID()
	err := t.apply(tx)
	t.failed = err != nil && !errors.Is(err, boltfile.ErrDisk)
	return err
}

// begin finds the buckets.
func (t *transaction) begin(tx *bolt.Tx) {
	t.now = time.Now().UTC()
	t.meta, t.lossBucket = tx.Bucket(bucketMeta), tx.Bucket(bucketLosses)
	t.blocks = blocksOf(t.writer.file, tx)
	t.blocks.changed = t.writer.noteChanges(bucketBlocks)
}

func (t *transaction) apply(tx *bolt.Tx) error {
	t.begin(tx)
	if err := t.remove(); err != nil {
		return err
	}
	for _, r := range t.group {
		for i := range r.batch.Drafts {
			if err := t.add(&r.batch.Drafts[i], t.now); err != nil {
				return err
			}
		}
		for _, c := range r.batch.Checkpoints {
			if err := t.writer.putCheckpoint(tx, c); err != nil {
				return err
			}
		}
		for _, l := range r.batch.Losses {
			if err := t.lose(lossKey{log: l.Log, reason: l.Reason, file: l.File}, l.Lines, l.Bytes); err != nil {
				return err
			}
		}
	}
	for log, q := range t.changed {
		if err := tx.Bucket(bucketQueues).Put([]byte(log), encodeQueue(log, q)); err != nil {
			return err
		}
	}
	return nil
}

// remove takes out what is settled, and what is to be dropped or set aside.
func (t *transaction) remove() error {
	for log, through := range t.settled {
		if err := t.settle(log, through); err != nil {
			return err
		}
	}
	if err := t.carryOut(); err != nil {
		return err
	}
	for log, a := range t.arrived {
		q := t.queue(log)
		q.dropped -= min(q.dropped, a.lines)
		q.told = min(q.told, q.dropped)
		t.changed[log] = q
		if err := t.arrive(log, a); err != nil {
			return err
		}
	}
	for log, lines := range t.told {
		q := t.queue(log)
		q.told = min(max(q.told, lines), q.dropped)
		t.changed[log] = q
	}
	return t.dropOldest()
}

// queue returns the log's state as this transaction leaves it so far.
func (t *transaction) queue(log string) queue {
	if q, ok := t.changed[log]; ok {
		return q
	}
	t.writer.mu.Lock()
	defer t.writer.mu.Unlock()
	if q, ok := t.writer.queues[log]; ok {
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
	n := len(t.writer.queues)
	for log := range t.changed {
		if _, known := t.writer.queues[log]; !known {
			n++
		}
	}
	return uint32(n + 1)
}

func (t *transaction) add(d *block.Draft, now time.Time) error {
	record := recordSize(d)
	q := t.queue(d.Log)
	id := q.extend(t.current.producer)
	b := d.Seal(id.producer, id.sequence(q.next))
	value := encodeRecord(t.buffer(int(record)), &b, id.base, now)
	if err := t.blocks.Put(blockKey(q.id, q.next), value); err != nil {
		return err
	}
	t.lines += uint64(b.Count)
	t.raw += uint64(b.RawSize)
	q.next += uint64(b.Count)
	q.bytes += uint64(len(value))
	t.bytes += int64(len(value))
	t.changed[d.Log] = q
	t.added[d.Log] = struct{}{}
	return nil
}

// recordBuffers are for large records. To make and clear them anew would take as long as to write them.
var recordBuffers = sync.Pool{New: func() any { return new([]byte) }}

// ownMemory is the size up to which a record has memory of its own.
const ownMemory = 4 << 10

// buffer returns memory for a record of n bytes, which is the transaction's until its end.
func (t *transaction) buffer(n int) []byte {
	if n <= ownMemory {
		return make([]byte, 0, n)
	}
	buf := recordBuffers.Get().(*[]byte)
	*buf = slices.Grow((*buf)[:0], n)
	t.records = append(t.records, buf)
	return *buf
}

// recycle gives the memory of records back, after bbolt has written them.
func (t *transaction) recycle() {
	for _, buf := range t.records {
		recordBuffers.Put(buf)
	}
	t.records = nil
}

// settle removes the log's blocks whose lines are all settled.
func (t *transaction) settle(log string, through uint64) error {
	q := t.queue(log)
	for q.oldest < q.next {
		last, err := t.headEnd(q)
		if err != nil {
			return err
		}
		if last > through {
			break
		}
		if q, err = t.removeHead(q, last); err != nil {
			return err
		}
	}
	t.changed[log] = q
	return nil
}

// headEnd returns the last position in the queue's oldest block. That need not be sound, nor be there: it ends at the latest
// where the next one begins.
func (t *transaction) headEnd(q queue) (last uint64, err error) {
	last = q.next - 1
	c := t.blocks.bucket.Cursor()
	key, value := c.Seek(blockKey(q.id, q.oldest))
	if first, ok := keyPosition(key, q.id); ok && first == q.oldest {
		head, err := t.blocks.head(key, value)
		if err != nil {
			return 0, err
		}
		if b, _, err := decodeHead(head); err == nil && b.Count > 0 {
			last = min(last, q.oldest+uint64(b.Count)-1)
		}
		key, _ = c.Next()
	}
	if next, ok := keyPosition(key, q.id); ok {
		last = min(last, next-1)
	}
	return last, nil
}

// headBytes returns how many bytes the lines of the queue's oldest block are; 0 if it does not tell.
func (t *transaction) headBytes(q queue) uint64 {
	head, err := t.blocks.Head(blockKey(q.id, q.oldest))
	if err != nil {
		return 0 // to remove it will say why
	}
	b, _, _ := decodeHead(head)
	return uint64(b.RawSize)
}

// removeHead deletes the queue's oldest block, whose last position is last.
func (t *transaction) removeHead(q queue, last uint64) (queue, error) {
	key := blockKey(q.id, q.oldest)
	n := uint64(t.blocks.Size(key))
	if err := t.blocks.Delete(key); err != nil {
		return q, err
	}
	q.oldest = last + 1
	if q.oldest == q.next { // records that are not there any more leave with the last one
		n = q.bytes
	}
	q.bytes -= n
	t.bytes -= int64(n)
	t.removed = true
	t.writer.touched(mappedAtRemoval)
	q.trim()
	return q, nil
}
