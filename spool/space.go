package spool

import (
	"errors"
	"fmt"
	"math"
	"os"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/size"
)

// The spool's room on the disk. The file is extended ahead of need, and its blocks are the spool's own from then on, so
// that a full disk shows before a transaction and never within one. Its pages are
//
//	used | free, in between | not used yet | reserve
//
// Batches must leave the reserve, counted in pages in use. But bbolt never overwrites a page in use: to add a block it
// writes pages of the tree anew, and even to remove one takes new pages before it gives any back. For that, a
// transaction with batches may touch half of the reserve, and one that only removes blocks all of it.
//
// The pages of a block lie in one run. A transaction that finds none fails before it writes; its batches then wait until
// blocks have left. What removes blocks needs single pages only.

const (
	// MinSize is the smallest bound of a spool that makes sense: a few blocks, and the reserve.
	MinSize = 1_000_000
	// maxReserve is the reserve of a spool that holds much, enough to settle blocks of hundreds of logs at once.
	maxReserve = 2 << 20
	// basePages are the reserve of an empty spool.
	basePages = 16
	// maxStep bounds the bytes by which the file is extended beyond need, and minStep those by which it is at least.
	minStep, maxStep = 64 << 10, 16 << 20
	// stuckShare is how many times the bytes that are free one log may hold before its batches wait. So a log whose
	// Scribe is down stops at four fifths of the spool, ten of them at four parts of forty-one each, and what is left
	// is room for those that drain.
	stuckShare = 4

	// overhead is what the file system itself may count to the file, to find its blocks.
	overhead = 32 << 10

	unlimited = math.MaxInt64
)

// CheckMaxSize returns an error if no spool can work within the bound, in bytes; size.Unlimited and 0 are none.
func CheckMaxSize(n int64) error {
	if n > 0 && n < MinSize {
		return fmt.Errorf("%s is too small for a spool: the smallest size is %s", size.Format(n), size.Format(MinSize))
	}
	return nil
}

// SmallestFor returns the smallest bound, in bytes, under which a batch with so many bytes of records in so many drafts
// always finds room once everything else has left. Under a smaller one the spool would grow beyond its bound for it.
func SmallestFor(records int64, drafts int) int64 {
	const unit = 1_000_000
	page := int64(os.Getpagesize())
	need := records + int64(drafts+emptyPages+basePages)*2*page
	n := need*8/7 + overhead + 64<<10 // an eighth is the reserve, and the bound is in whole steps
	return max(MinSize, (n+unit-1)/unit*unit)
}

// emptyPages is what a spool takes that holds no block: records of logs, and checkpoints.
const emptyPages = 16

// used returns the bytes of the pages in use.
func (w *writer) used() int64 {
	used, err := w.file.Used()
	if err != nil { // bbolt has lost its mapping
		w.logger.Debug("can't tell what is used of the spool", "error", err)
	}
	return used
}

// reserve returns the bytes that batches must leave. What little holds can be deleted with little.
func (w *writer) reserve() int64 {
	most := int64(maxReserve)
	if w.maxSize != unlimited {
		most = min(most, w.maxSize/8)
	}
	return min(most, w.used()+basePages*w.file.PageSize())
}

// roomLeft returns the bytes that further batches may take; unlimited if nothing bounds them.
func (w *writer) roomLeft() int64 {
	room := int64(unlimited)
	if w.maxSize != unlimited {
		room = w.maxSize - w.reserve() - w.used()
	}
	if w.shortage != nil {
		room = min(room, w.file.End()-w.reserve()-w.used())
	}
	return max(0, room)
}

// batchLimit returns the length of the file that a transaction with batches may use.
func (w *writer) batchLimit() int64 { return min(w.file.End(), w.maxSize) - w.reserve()/2 }

// mustWait is the rule for one log: it holds so many bytes, its next batch takes need, and room is left.
func mustWait(held uint64, need, room int64) bool {
	return need > room || room < unlimited/stuckShare && held > uint64(stuckShare*room)
}

// extend makes sure that there is room for a transaction that takes need bytes, beside the reserve, if bound and disk
// allow it. Free pages count if they are plenty: whether they lie in runs that are long enough shows when they are used.
func (w *writer) extend(need int64) {
	if w.file.Free() >= 2*need {
		need = 0
	}
	if w.shortage = extendFile(w.file, need+w.reserve(), w.maxSize); w.shortage != nil {
		w.countError()
	}
}

// extendFor extends the file after the task has found no room in it, by n bytes at least if it may, or makes room of what
// is free in it, and says whether there is more room. It goes beyond the bound for a batch that is larger than all of it,
// and where nothing could be removed otherwise.
func (w *writer) extendFor(c task, n int64) bool {
	if more, full := w.extendTo(n, w.maxSize); more || !full {
		return more
	}
	if w.isEmpty() && len(c.group) > 0 && w.repack() {
		return true
	}
	if !w.isEmpty() && (len(c.group) > 0 || len(c.settled) > 1) {
		return false
	}
	more, _ := w.extendTo(n, unlimited)
	if w.file.End() > w.maxSize {
		w.logger.Warn("the spool grows beyond its size: what it must hold is too large for it", "path", w.path, "bytes", w.file.End())
	}
	return more
}

// extendTo extends the file by n bytes at least, but not beyond the bound. It says whether the file grew, and whether the
// bound is reached.
func (w *writer) extendTo(n, bound int64) (more, full bool) {
	before := w.file.End()
	for ; w.file.End() == before; n *= 2 {
		if w.shortage = extendFile(w.file, n+w.reserve(), bound); w.shortage != nil {
			return false, false
		}
		if before >= bound {
			return false, true
		}
	}
	return true, false
}

// repack writes the file of a spool without blocks anew, so that what is free in it lies in one run, and says whether it
// did: once is enough.
func (w *writer) repack() bool {
	before := w.file
	if before == w.packed || w.astray {
		return false
	}
	if w.compaction == nil {
		if err := w.beginCompaction(); err != nil {
			w.endCompaction()
			return false
		}
	}
	for w.compaction != nil {
		w.copySome()
	}
	w.packed = w.file
	return w.file != before
}

// extendFile makes sure that the file may be used for n bytes behind the last page that was used, if the bound allows.
func extendFile(f *boltfile.Sized, n, bound int64) error {
	used, err := f.Used()
	if err != nil {
		return err
	}
	want := min(used+f.Free()+n, bound)
	if want <= f.End() {
		return nil
	}
	step := min(max(f.End()/8, minStep), maxStep)
	if err := f.Extend(min(want+step, bound)); err == nil {
		return nil
	}
	return f.Extend(want)
}

// ownBound returns how long the file may become under the bound that Options names.
func ownBound(maxSize int64) int64 {
	if maxSize <= 0 {
		return unlimited
	}
	const page = 64 << 10 // a multiple of all sizes that pages may have
	return (maxSize - overhead) / page * page
}

// need returns the bytes that a transaction with the group takes, in all likelihood: its records in whole pages, and
// pages of the tree.
func (w *writer) need(group []*request) int64 {
	page := w.file.PageSize()
	n := 8 * page
	for _, r := range group {
		n += r.bytes + int64(len(r.batch.Drafts))*2*page
	}
	return n
}

// A page of bbolt is the system's, usually 4 KiB, where the bound is small. bbolt keeps a list of free pages in memory,
// with some 26 bytes for each: when a large spool is drained these become many, so its pages are larger.
const (
	largeSpool = 4 << 30
	largePage  = 16 << 10
)

// pageSize returns the size of the pages of a new file under the bound.
func pageSize(bound int64) int {
	if bound > largeSpool {
		return max(os.Getpagesize(), largePage)
	}
	return os.Getpagesize()
}

// isFull says whether a transaction failed because the file has no room for it.
func isFull(err error) bool { return errors.Is(err, bolterrors.ErrMaxSizeReached) }
