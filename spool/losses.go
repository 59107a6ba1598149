package spool

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// losses are entries by what they are of.
type losses map[lossKey]loss

// lossFiles counts the entries that name a file: those of what was lost, and the others, which take no room from them.
type lossFiles struct{ lost, other int }

func (f *lossFiles) of(r Reason) *int {
	if r.Lost() {
		return &f.lost
	}
	return &f.other
}

// list returns the entries, each after what has arrived of its log.
func (all losses) list(arrived map[string]arrival) []Loss {
	list := make([]Loss, 0, len(all))
	for k, l := range all {
		if l = l.without(k.arrival(arrived)); l != (loss{}) {
			list = append(list, Loss{Log: k.log, File: k.file, Reason: k.reason, Lines: l.lines, Bytes: l.bytes, Times: l.times, First: l.first, Last: l.last})
		}
	}
	return list
}

// inOrder sorts by log, reason and file.
func inOrder(list []Loss) []Loss {
	slices.SortFunc(list, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(a.Log, b.Log), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.File, b.File))
	})
	return list
}

// Losses returns the list of losses, in the order of log, reason and file, and since when it is kept: since the spool was
// made, or a release opened it that keeps the list. Who needs the sums asks for LossSums: the list may be long.
func (s *Spool) Losses() (list []Loss, since time.Time) {
	s.mu.Lock()
	list, since = s.losses.list(s.arrived), s.since
	s.mu.Unlock()
	return inOrder(list), since
}

// LossSums adds up the list by reasons. However long it is, that takes no time.
func (s *Spool) LossSums() map[Reason]Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	sums := make(map[Reason]Loss, len(s.lossSums))
	for reason, l := range s.lossSums {
		sums[reason] = Loss{Reason: reason, Lines: l.lines, Bytes: l.bytes, Times: l.times}
	}
	for log := range s.arrived {
		key := lossKey{log: log, reason: SpoolFull}
		l, known := s.losses[key]
		if !known {
			continue
		}
		left, sum := l.without(key.arrival(s.arrived)), sums[SpoolFull]
		sum.Lines, sum.Bytes, sum.Times = sum.Lines-l.lines+left.lines, sum.Bytes-l.bytes+left.bytes, sum.Times-l.times+left.times
		sums[SpoolFull] = sum
	}
	return sums
}

// setLossLocked makes an entry what others see, and part of the sums. One with nothing in it leaves.
func (s *Spool) setLossLocked(key lossKey, l loss) {
	before, sum := s.losses[key], s.lossSums[key.reason]
	sum.lines, sum.bytes, sum.times = sum.lines-before.lines+l.lines, sum.bytes-before.bytes+l.bytes, sum.times-before.times+l.times
	s.lossSums[key.reason] = sum
	if l == (loss{}) {
		delete(s.losses, key)
	} else {
		s.losses[key] = l
	}
}

// sumLosses makes the sums of the list that was read.
func (s *Spool) sumLosses() {
	all := s.losses
	s.losses, s.lossSums = losses{}, map[Reason]loss{}
	for key, l := range all {
		s.setLossLocked(key, l)
	}
}

// arrival is a number of lines that were counted as dropped and have arrived, and their bytes.
type arrival struct{ lines, bytes uint64 }

// arrival returns what has arrived of the lines that the entry counts.
func (k lossKey) arrival(of map[string]arrival) arrival {
	if k.reason != SpoolFull || k.file != "" {
		return arrival{}
	}
	return of[k.log]
}

// without takes off what has arrived after all. Where no line is left, there is nothing left of the entry.
func (l loss) without(a arrival) loss {
	if a.lines > 0 && a.lines >= l.lines {
		return loss{}
	}
	l.lines -= a.lines
	l.bytes -= min(l.bytes, a.bytes)
	return l
}

// lose counts a loss that this transaction brings about.
func (t *transaction) lose(key lossKey, lines, bytes uint64) error {
	l, known := t.loss(key)
	if !known && key.file != "" && key.file != OtherFiles {
		if n := t.lossFiles.of(key.reason); *n >= maxLossFiles {
			key.file = OtherFiles
			l, _ = t.loss(key)
		} else {
			*n++
		}
	}
	l.lines += lines
	l.bytes += bytes
	l.times++
	l.last = t.now
	if l.first.IsZero() {
		l.first = t.now
	}
	return t.putLoss(key, l)
}

// loss returns an entry as the transaction leaves it so far.
func (t *transaction) loss(key lossKey) (l loss, known bool) {
	if l, known = t.losses[key]; !known {
		t.writer.mu.Lock()
		l, known = t.writer.losses[key]
		t.writer.mu.Unlock()
	}
	return l, known
}

func (t *transaction) putLoss(key lossKey, l loss) error {
	t.losses[key] = l
	return putLoss(t.lossBucket, key, l)
}

// putLoss stores an entry, or removes one of which nothing is left.
func putLoss(to *bolt.Bucket, key lossKey, l loss) error {
	k := key.encode()
	if l == (loss{}) {
		return to.Delete(k)
	}
	return to.Put(k, l.encode(k))
}

// arrive takes what has arrived off what was counted as dropped.
func (t *transaction) arrive(log string, a arrival) error {
	key := lossKey{log: log, reason: SpoolFull}
	l, known := t.loss(key)
	if !known {
		return nil
	}
	return t.putLoss(key, l.without(a))
}

// adoptLossesLocked makes what a transaction has counted what others see.
func (w *writer) adoptLossesLocked(t *transaction) {
	for key, l := range t.losses {
		w.setLossLocked(key, l)
	}
	w.lossFiles = t.lossFiles
}

// loadLosses reads the list. Where it does not say since when it is kept, it is begun: the spool is new, or of an earlier
// layout, or a repair has not found that.
func (s *Spool) loadLosses(meta, records *bolt.Bucket) error {
	s.losses, s.lossFiles = losses{}, lossFiles{}
	err := records.ForEach(func(key, value []byte) error {
		k, l, err := decodeLoss(key, value)
		if err != nil {
			return err
		}
		s.losses[k] = l
		if k.file != "" && k.file != OtherFiles {
			*s.lossFiles.of(k.reason)++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.since = decodeSince(meta.Get(keySince)); s.since.IsZero() {
		return s.beginLosses(meta, records)
	}
	return nil
}

// beginLosses begins the list with what is in it already, and with what the logs' records have counted.
func (s *Spool) beginLosses(meta, records *bolt.Bucket) error {
	now := time.Now().UTC()
	for log, q := range s.queues {
		s.losses.raise(log, &q, now)
	}
	s.since = now
	for key, l := range s.losses {
		for _, at := range []time.Time{l.first, l.last} {
			if !at.IsZero() && at.Before(s.since) {
				s.since = at
			}
		}
		if err := putLoss(records, key, l); err != nil {
			return err
		}
	}
	return meta.Put(keySince, encodeSince(s.since))
}

// raise makes the list say no less than what a log's record has counted.
func (all losses) raise(log string, q *queue, now time.Time) {
	for reason, lines := range map[Reason]uint64{SpoolFull: q.dropped, Refused: q.aside.refused, Damaged: q.aside.lines - q.aside.refused} {
		key := lossKey{log: log, reason: reason}
		l := all[key]
		if l.lines >= lines {
			continue
		}
		if l.lines = lines; l.times == 0 {
			l.times, l.last = 1, now
		}
		all[key] = l
	}
}

func encodeSince(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, nanoseconds(t)) }

func decodeSince(value []byte) time.Time {
	if len(value) != 8 {
		return time.Time{}
	}
	return timeOf(binary.BigEndian.Uint64(value))
}

// loseSpool counts that a file was lost whole, in whose place this one begins; what was in it is not known.
func (s *Spool) loseSpool(records *bolt.Bucket, file string) error {
	now := time.Now().UTC()
	key, l := lossKey{reason: SpoolLost, file: file}, loss{times: 1, first: now, last: now}
	s.losses[key] = l
	*s.lossFiles.of(SpoolLost)++
	return putLoss(records, key, l)
}
