package spool

import (
	"bytes"
	"errors"
	"io/fs"
	"iter"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// bbolt never makes a file smaller. Once most of a large one is free, what it holds is copied to a new file, which then
// takes its place. The writer copies in small steps between its transactions, and notes what these change of what is
// copied already, to copy it again. Readers go on meanwhile. A crash leaves one good file at the path: the old one up to
// the rename, the new one after it.

const (
	// compactSuffix is that of the new file's path until it takes the old one's place.
	compactSuffix = ".compact"
	// compactAbove is the size of a file that may be worth compacting, in bytes, and compactShare the part of it that
	// must not be used any more than.
	compactAbove = 4 << 20
	compactShare = 4
	// sparseTicks is for how long a file must be worth it.
	sparseTicks = 2
	// compactRetry is the pause after a compaction that failed.
	compactRetry = 30 * time.Second
	// smallUse is what is copied though it may leave by itself within soonEmpty ticks, in bytes.
	smallUse  = 64 << 20
	soonEmpty = 30
	// copyStep is what is copied at once, in bytes: it bounds how long a batch waits.
	copyStep = 1 << 20
	// itemOverhead is what a key and its value take beside their own bytes, about.
	itemOverhead = 32
	// copyRoom is what a step may take in the new file beside twice what it copies, in bytes.
	copyRoom = 64 << 10
)

// compaction is a copy under way.
type compaction struct {
	began   time.Time
	to      *boltfile.Sized
	buckets []*bucketCopy
}

// bucketCopy is how far one bucket is copied.
type bucketCopy struct {
	name  []byte
	next  []byte // keys before it are copied
	all   bool   // and the others too
	again map[string]struct{}
}

// considerCompaction begins one if it is worth it.
func (w *writer) considerCompaction() {
	used, end := w.used(), w.file.End()
	worth := used <= smallUse || used > soonEmpty*(w.usedThen-used)
	w.usedThen = used
	if w.compaction != nil || w.astray || end <= compactAbove || used > end/compactShare || !worth {
		w.sparse = min(w.sparse, 0)
		return
	}
	if w.sparse++; w.sparse < sparseTicks {
		return
	}
	w.sparse = 0
	if err := w.beginCompaction(); err != nil {
		w.endCompaction()
		w.sparse = -int(compactRetry / tick)
		w.logger.Info("the spool's file stays as large as it is for now", "path", w.path, "bytes", end, "used", used, "error", err)
	}
}

// beginCompaction makes the new file, if there is room for it.
func (w *writer) beginCompaction() error {
	if !w.hasRoomForCopy() {
		// What is free in the old file goes back to the disk first.
		w.swap.Lock()
		w.hollow = true
		err := w.file.GiveBack()
		w.swap.Unlock()
		if err != nil {
			return err
		}
		if !w.hasRoomForCopy() {
			return errNoRoom
		}
	}
	path := w.path + compactSuffix
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := boltfile.OpenSized(path, pageSize(w.maxSize), bucketBlocks, nil)
	if err != nil {
		return err
	}
	w.compaction = &compaction{began: time.Now(), to: to, buckets: []*bucketCopy{{name: bucketBlocks}, {name: bucketCheckpoints}}}
	for _, b := range w.compaction.buckets {
		b.again = map[string]struct{}{}
	}
	return w.compaction.update(copyRoom, func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketQueues, bucketBlocks, bucketCheckpoints, bucketLosses} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// hasRoomForCopy says whether bound and disk allow the new file beside the old one. A spool without a file at its path
// is in greater need: then the bound does not count.
func (w *writer) hasRoomForCopy() bool {
	used := w.used()
	need := used + used/4 + 2*min(used, copyStep) + 3*copyRoom
	disk, err := w.file.Disk()
	if err != nil {
		return false
	}
	free, err := boltfile.DiskFree(w.path)
	return err == nil && need <= free && (w.astray || w.maxSize == unlimited || disk+need <= w.maxSize)
}

// fitsBeside says whether n bytes more fit under the bound beside what old and new file take now.
func (w *writer) fitsBeside(n int64) bool {
	if w.astray || w.maxSize == unlimited {
		return true
	}
	disk, err := w.diskBytes()
	return err == nil && disk+n+copyRoom <= w.maxSize
}

var errNoRoom = errors.New("there is no room for a copy")

// yieldTo gives up a compaction for which the group leaves no room: what was copied would take it twice.
func (w *writer) yieldTo(group []*request) {
	if w.compaction != nil && len(group) > 0 && !w.fitsBeside(w.need(group)) {
		w.giveUpCompaction(errNoRoom)
	}
}

// giveUpCompaction tries again later.
func (w *writer) giveUpCompaction(err error) {
	w.endCompaction()
	w.sparse = -int(compactRetry / tick)
	w.logger.Info("the spool's file stays as large as it is for now", "path", w.path, "error", err)
}

// endCompaction gives up what there is of a new file.
func (w *writer) endCompaction() {
	if w.compaction != nil {
		err := errors.Join(w.compaction.to.DB.Close(), os.Remove(w.path+compactSuffix))
		w.compaction = nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.logger.Warn("can't remove what there is of a spool's copy", "path", w.path+compactSuffix, "error", err)
		}
	}
	if w.hollow {
		w.shortage = w.file.Refill()
		w.hollow = w.shortage != nil
	}
}

var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// copying returns a channel that is ready while there is something to copy.
func (w *writer) copying() <-chan struct{} {
	if w.compaction == nil {
		return nil
	}
	return always
}

// copySome does one step, and puts the new file in place once all is copied.
func (w *writer) copySome() {
	if !w.fitsBeside(2 * min(w.used(), copyStep)) {
		w.giveUpCompaction(errNoRoom)
		w.publish()
		return
	}
	more, err := w.compaction.step(w.file)
	if err == nil && !more {
		err = w.replaceFile()
	}
	if err != nil {
		w.endCompaction()
		w.sparse = -int(compactRetry / tick)
		w.logger.Warn("can't compact the spool for now", "path", w.path, "error", err)
	}
	w.publish()
}

// item is what a step copies: a value, or that there is none any more.
type item struct {
	bucket, key, value []byte
}

// step copies some of what is not copied yet, and says whether more is left.
func (c *compaction) step(from *boltfile.Sized) (more bool, err error) {
	err = from.View(func(old *bolt.Tx) error { // values of checkpoints are the old file's memory
		var items []item
		size := 0
		for _, b := range c.buckets {
			for item, err := range b.items(old.Bucket(b.name), from) {
				if err != nil {
					return err
				}
				items = append(items, item)
				if size += len(item.key) + len(item.value) + itemOverhead; size >= copyStep {
					more = true
					break
				}
			}
			if more {
				break
			}
		}
		return c.update(int64(2*size), func(to *bolt.Tx) error { return put(c.to, to, items) })
	})
	return more, errors.Join(err, c.to.Forget())
}

// items returns what is not copied yet, which counts as copied from then on.
func (b *bucketCopy) items(from *bolt.Bucket, file *boltfile.Sized) iter.Seq2[item, error] {
	read := func(key, value []byte) (item, error) {
		var err error
		if value == nil { // others are checkpoints, or blocks of layout 1
			value, err = file.ReadSingle(nil, from, key, maxRecord)
		}
		return item{b.name, key, value}, err
	}
	return func(yield func(item, error) bool) {
		for key := range b.again {
			delete(b.again, key)
			if !yield(read([]byte(key), from.Get([]byte(key)))) {
				return
			}
		}
		c := from.Cursor()
		for key, value := c.Seek(b.next); key != nil && !b.all; key, value = c.Next() {
			b.next = append(append(b.next[:0], key...), 0)
			if !yield(read(key, value)) {
				return
			}
		}
		b.all = true
	}
}

// put stores the items in the new file.
func put(file *boltfile.Sized, to *bolt.Tx, items []item) error {
	for _, i := range items {
		b := to.Bucket(i.bucket)
		b.FillPercent = 0.9 // most keys come in order
		var into interface {
			Put(key, value []byte) error
			Delete(key []byte) error
		} = b
		if bytes.Equal(i.bucket, bucketBlocks) {
			stored := blocks{b, file, ignore}
			if i.value != nil && stored.Size(i.key) > 0 {
				continue // a transaction that would have removed it has failed
			}
			into = stored
		}
		var err error
		if i.value == nil {
			err = into.Delete(i.key)
		} else {
			err = into.Put(i.key, i.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// update runs a transaction in the new file that takes about n bytes.
func (c *compaction) update(n int64, fn func(*bolt.Tx) error) error {
	for err := error(nil); ; n *= 2 {
		if err = extendFile(c.to, n+copyRoom, unlimited); err != nil {
			return err
		}
		if err = c.to.Update(c.to.End(), fn); !isFull(err) {
			return err
		}
	}
}

// changed notes that the key was changed in the old file.
func (b *bucketCopy) changed(key []byte) {
	if b.all || bytes.Compare(key, b.next) < 0 {
		b.again[string(key)] = struct{}{}
	}
}

// noteChanges returns what must be told of each key of the bucket before it changes.
func (w *writer) noteChanges(bucket []byte) func(key []byte) {
	if w.compaction != nil {
		for _, b := range w.compaction.buckets {
			if bytes.Equal(b.name, bucket) {
				return b.changed
			}
		}
	}
	return ignore
}

func ignore([]byte) {}

// replaceFile completes the new file, of which all blocks and checkpoints are copied, and puts it in the place of the
// old one.
func (w *writer) replaceFile() error {
	c, old := w.compaction, w.file
	origin, err := originOf(w.path + compactSuffix)
	if err != nil {
		return err
	}
	if err := c.complete(old, origin); err != nil {
		return err
	}
	path, err := w.target()
	if err != nil {
		return err
	}
	if err := os.Rename(w.path+compactSuffix, path); err != nil {
		return err
	}
	w.moved(path)
	w.unsynced = true
	w.swap.Lock()
	w.file = c.to
	w.swap.Unlock()
	w.compaction, w.hollow, w.shortage = nil, false, nil
	w.layout++
	w.mu.Lock()
	w.stats.Compactions++
	w.mu.Unlock()
	w.logger.Info("compacted the spool", "path", w.path, "bytes_before", old.End(), "bytes", w.file.End(),
		"took", time.Since(c.began).Round(time.Millisecond))
	w.extend(0)
	if err := w.syncFolder(); err != nil {
		w.complain(err)
	}
	if err := old.DB.Close(); err != nil {
		w.logger.Warn("can't close the spool's old file", "error", err)
	}
	return nil
}

// complete copies the small buckets, which change with each transaction.
func (c *compaction) complete(from *boltfile.Sized, origin origin) error {
	return from.View(func(old *bolt.Tx) error {
		var items []item
		size := 0
		for _, bucket := range [][]byte{bucketQueues, bucketLosses} {
			err := old.Bucket(bucket).ForEach(func(key, value []byte) error {
				items = append(items, item{bucket, key, value})
				size += len(key) + len(value) + itemOverhead
				return nil
			})
			if err != nil {
				return err
			}
		}
		return c.update(int64(2*size), func(to *bolt.Tx) error {
			return errors.Join(put(c.to, to, items), copyMeta(to.Bucket(bucketMeta), old.Bucket(bucketMeta), origin))
		})
	})
}

// copyMeta writes the new file's meta bucket. Its origin is the new file's own, or Open would take it for a copy.
func copyMeta(to, from *bolt.Bucket, o origin) error {
	err := from.ForEach(func(key, value []byte) error { return to.Put(key, value) })
	return errors.Join(err, to.Put(keyOrigin, encodeOrigin(o)))
}

// syncFolder makes the name of a new file durable. Before that, nothing in it is.
func (w *writer) syncFolder() error {
	if !w.unsynced {
		return nil
	}
	err := boltfile.SyncFolder(w.path)
	w.unsynced = err != nil
	return err
}

// diskBytes returns the bytes that the spool takes on its disk.
func (w *writer) diskBytes() (int64, error) {
	n, err := w.file.Disk()
	if w.compaction != nil && err == nil {
		var copied int64
		copied, err = w.compaction.to.Disk()
		n += copied
	}
	return n, err
}
