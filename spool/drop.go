package spool

import (
	"container/heap"
	"iter"
	"maps"
	"slices"
	"time"
)

const (
	// dropShare is the part of the spool that is dropped at once, so that not each batch costs a further transaction.
	dropShare = 64
	// tellEvery is how often dropped lines are told.
	tellEvery = 10 * time.Second
)

// dropped are lines of a log, from the first to the last sequence, that were dropped, and their bytes.
type dropped struct {
	log         string
	first, last uint64
	bytes       uint64
}

// dropOldest removes the oldest blocks of the whole spool, of t.drop bytes at least.
func (t *transaction) dropOldest() error {
	for least := t.bytes - t.drop; t.drop > 0 && t.bytes > least; {
		log, ok := t.writer.heads.oldest(t)
		if !ok {
			return nil
		}
		q := t.queue(log)
		last, err := t.headEnd(q)
		if err != nil {
			return err
		}
		d := dropped{log, q.oldest, last, t.headBytes(q)}
		t.drops = append(t.drops, d)
		q.dropped += last - q.oldest + 1
		if err := t.lose(lossKey{log: log, reason: SpoolFull}, last-q.oldest+1, d.bytes); err != nil {
			return err
		}
		if q, err = t.removeHead(q, last); err != nil {
			return err
		}
		t.changed[log] = q
	}
	return nil
}

// tellDrops logs what was dropped since it was told the last time. That it was told is stored with the next transaction:
// what was told right before a kill is told again.
func (w *writer) tellDrops() {
	if now := time.Now(); len(w.drops) > 0 && now.Sub(w.dropped) >= tellEvery {
		for _, log := range slices.Sorted(maps.Keys(w.drops)) {
			w.logger.Warn("the spool is full: dropped its oldest lines", "log", log, "lines", w.drops[log], "dropped_in_all", w.Queue(log).Dropped)
		}
		w.noteTold(maps.Keys(w.drops))
		clear(w.drops)
		w.dropped = now
	}
}

// tellEarlierDrops logs what the last process has dropped and was killed before it told.
func (w *writer) tellEarlierDrops() {
	var logs []string
	for _, log := range slices.Sorted(maps.Keys(w.queues)) {
		if q := w.queues[log]; q.dropped > q.told {
			w.logger.Warn("the spool was full before this start: its oldest lines were dropped", "log", log, "lines", q.dropped-q.told, "dropped_in_all", q.dropped)
			logs = append(logs, log)
		}
	}
	w.noteTold(slices.Values(logs))
}

// noteTold has the next transaction store that what is dropped of the logs up to now was told.
func (w *writer) noteTold(logs iter.Seq[string]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for log := range logs {
		w.told[log] = w.queues[log].dropped
	}
}

// heads orders the logs that hold blocks by the time when the oldest of these was stored. An entry is looked at again
// when it comes to the top, and put right if its log has moved on: so nothing has to be done for blocks that are
// settled. It is filled when it is first asked, and then told of logs that get blocks.
type heads struct {
	filled bool
	list   headList
	in     map[string]struct{}
}

type head struct {
	log    string
	first  uint64 // 0: not looked at yet
	stored time.Time
}

// add takes in logs that got blocks.
func (h *heads) add(logs map[string]struct{}) {
	for log := range logs {
		if _, ok := h.in[log]; h.filled && !ok {
			h.in[log] = struct{}{}
			heap.Push(&h.list, head{log: log})
		}
	}
}

// reset forgets all, after a transaction that has asked was not committed.
func (h *heads) reset() { *h = heads{} }

func (h *heads) fill(s *Spool) {
	*h = heads{filled: true, in: map[string]struct{}{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for log, q := range s.queues {
		if q.oldest < q.next {
			h.in[log] = struct{}{}
			h.list = append(h.list, head{log: log})
		}
	}
}

// oldest returns the log whose first block, as the transaction leaves it so far, was stored before all others'.
func (h *heads) oldest(t *transaction) (log string, ok bool) {
	if !h.filled {
		h.fill(t.writer.Spool)
	}
	for len(h.list) > 0 {
		top := &h.list[0]
		switch q := t.queue(top.log); {
		case q.oldest == q.next:
			delete(h.in, top.log)
			heap.Pop(&h.list)
		case top.first != q.oldest:
			top.first, top.stored = q.oldest, t.storedAt(q)
			heap.Fix(&h.list, 0)
		default:
			return top.log, true
		}
	}
	return "", false
}

// storedAt returns when the queue's oldest block was stored; a damaged one is older than all others.
func (t *transaction) storedAt(q queue) time.Time {
	head, err := t.blocks.Head(blockKey(q.id, q.oldest))
	if err != nil {
		return time.Time{} // to remove it will say why
	}
	_, stored, _ := decodeHead(head)
	return stored
}

// headList is a heap.
type headList []head

func (l headList) Len() int           { return len(l) }
func (l headList) Less(i, j int) bool { return l[i].stored.Before(l[j].stored) }
func (l headList) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *headList) Push(x any)        { *l = append(*l, x.(head)) }
func (l *headList) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	*l = (*l)[:last]
	return x
}
