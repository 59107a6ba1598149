package spool

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The list of losses says of what was not delivered how much it was, why, and of which file, for good: it lives as long as
// the spool. An entry changes in the transaction that lets the lines go: with the blocks that leave the queue, or with the
// checkpoint that passes over the bytes of a file. So a crash neither loses a loss nor counts it twice.
//
// A loss record is the value of one entry; the key is reason, log and file, with a NUL after each of the first two:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       8      lines
//	9       8      bytes
//	17      8      how often it happened
//	25      8      when it was counted first, nanoseconds since 1970 UTC; 0 if that is not known
//	33      8      when it was counted last
//	41      4      CRC-32C of the key and of all before
const (
	lossVersion = 1
	lossSize    = 41
)

// maxLossFiles bounds the entries that name a file. What further files lose is added up, by log and reason, under
// OtherFiles.
const maxLossFiles = 1000

// OtherFiles stands for all files for which the list of losses had no room.
const OtherFiles = "*"

// Reason is why lines were not delivered as they were written.
type Reason string

// The reasons.
const (
	SpoolFull  Reason = "spool_full" // the policy was to drop the oldest
	Damaged    Reason = "damaged"    // in the spool
	Refused    Reason = "refused"    // by all Scribes, for good
	SpoolLost  Reason = "spool_lost" // the whole file was set aside, or emptied by others; how much was in it is not known
	Truncated  Reason = "truncated"  // before it was read
	Deleted    Reason = "deleted"    // before it was read
	Stopped    Reason = "stopped"    // the agent, before it could store them, and they were nowhere else
	Compressed Reason = "compressed" // and damaged, from some place on; how much was behind that is not known

	InPieces Reason = "in_pieces" // delivered, as several lines, for it was longer than max_line
	Clipped  Reason = "clipped"   // delivered, but for the end of what rules made longer than a block
	Unseen   Reason = "unseen"    // a file was truncated while nobody looked: whether there were lines, nobody knows
)

// Reasons are all reasons of this release.
var Reasons = []Reason{SpoolFull, Damaged, Refused, SpoolLost, Truncated, Deleted, Stopped, Compressed, InPieces, Clipped, Unseen}

// Lost says whether lines are known not to have arrived. Of the others it is known that they have, but not as they were, or
// it is not known whether there were any.
func (r Reason) Lost() bool { return r != InPieces && r != Clipped && r != Unseen }

// Loss is an entry of the list of losses, or what a batch adds to one.
type Loss struct {
	Log    string    `json:"log"`            // "" for the spool as a whole
	File   string    `json:"file,omitempty"` // its path; "" if that is not known any more, OtherFiles
	Reason Reason    `json:"reason"`
	Lines  uint64    `json:"lines"` // as far as they could be counted
	Bytes  uint64    `json:"bytes"` // of lines, uncompressed, as far as they could be counted
	Times  uint64    `json:"times"` // how often it happened; a batch counts once
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last"`
}

// Sums adds up the list by reasons.
func Sums(list []Loss) map[Reason]Loss {
	sums := map[Reason]Loss{}
	for _, l := range list {
		sum := sums[l.Reason]
		sums[l.Reason] = Loss{Reason: l.Reason, Lines: sum.Lines + l.Lines, Bytes: sum.Bytes + l.Bytes, Times: sum.Times + l.Times}
	}
	return sums
}

// lossKey says of which entry something is.
type lossKey struct {
	log    string
	reason Reason
	file   string
}

func (k lossKey) encode() []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s", k.reason, k.log, k.file)
}

// loss is what an entry says.
type loss struct {
	lines, bytes, times uint64
	first, last         time.Time
}

func (l loss) encode(key []byte) []byte {
	buf := make([]byte, 0, lossSize+sealSize)
	buf = append(buf, lossVersion)
	for _, n := range []uint64{l.lines, l.bytes, l.times, nanoseconds(l.first), nanoseconds(l.last)} {
		buf = binary.BigEndian.AppendUint64(buf, n)
	}
	return seal(key, buf)
}

func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func timeOf(nanoseconds uint64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(nanoseconds)).UTC()
}

// decodeLoss reads an entry.
func decodeLoss(key, record []byte) (k lossKey, l loss, err error) {
	value, sealed := unseal(key, record)
	parts := bytes.SplitN(key, []byte{0}, 3)
	switch {
	case !sealed || len(parts) != 3 || len(value) == 0:
		return k, l, fmt.Errorf("%w: the checksum of the loss record %q does not fit", ErrDamaged, key)
	case value[0] != lossVersion:
		return k, l, fmt.Errorf("%w: loss record %q has version %d, this release reads %d", ErrVersion, key, value[0], lossVersion)
	case len(value) != lossSize:
		return k, l, fmt.Errorf("%w: loss record %q has %d bytes", ErrDamaged, key, len(value))
	}
	number := func(at int) uint64 { return binary.BigEndian.Uint64(value[at:]) }
	k = lossKey{reason: Reason(parts[0]), log: string(parts[1]), file: string(parts[2])}
	return k, loss{lines: number(1), bytes: number(9), times: number(17), first: timeOf(number(25)), last: timeOf(number(33))}, nil
}

// losses are entries by what they are of.
type losses map[lossKey]loss

// list returns the entries in the order of their keys.
func (all losses) list() []Loss {
	list := make([]Loss, 0, len(all))
	for k, l := range all {
		list = append(list, Loss{Log: k.log, File: k.file, Reason: k.reason, Lines: l.lines, Bytes: l.bytes, Times: l.times, First: l.first, Last: l.last})
	}
	slices.SortFunc(list, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(a.Log, b.Log), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.File, b.File))
	})
	return list
}

// Losses returns the list of losses, in the order of log, reason and file, and since when it is kept: since the spool was
// made, or a release opened it that keeps the list.
func (s *Spool) Losses() (list []Loss, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.losses
	if len(s.arrived) > 0 {
		all = maps.Clone(all)
		for log, a := range s.arrived {
			all.arrived(log, a)
		}
	}
	return all.list(), s.since
}

// arrival is a number of lines that were counted as dropped and have arrived, and their bytes.
type arrival struct{ lines, bytes uint64 }

// arrived takes what has arrived after all off what was dropped of the log. An entry of which nothing is left leaves.
func (all losses) arrived(log string, a arrival) (key lossKey, left loss) {
	key = lossKey{log: log, reason: SpoolFull}
	left = all[key]
	left.lines -= min(left.lines, a.lines)
	left.bytes -= min(left.bytes, a.bytes)
	if left.lines == 0 {
		delete(all, key)
		return key, loss{}
	}
	all[key] = left
	return key, left
}

// lose counts a loss that this transaction brings about.
func (t *transaction) lose(key lossKey, lines, bytes uint64) error {
	l, known := t.loss(key)
	if !known && key.file != "" && key.file != OtherFiles {
		if t.lossFiles >= maxLossFiles {
			key.file = OtherFiles
			l, _ = t.loss(key)
		} else {
			t.lossFiles++
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
	return putLoss(t.lost, key, l)
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
	l, known := t.loss(lossKey{log: log, reason: SpoolFull})
	if !known {
		return nil
	}
	return t.putLoss(losses{{log: log, reason: SpoolFull}: l}.arrived(log, a))
}

// adoptLossesLocked makes what a transaction has counted what others see.
func (w *writer) adoptLossesLocked(t *transaction) {
	for key, l := range t.losses {
		if l == (loss{}) {
			delete(w.losses, key)
		} else {
			w.losses[key] = l
		}
	}
	w.lossFiles = t.lossFiles
}

// loadLosses reads the list. Where it does not say since when it is kept, it is begun: the spool is new, or of an earlier
// layout, or a repair has not found that.
func (s *Spool) loadLosses(meta, records *bolt.Bucket) error {
	s.losses, s.lossFiles = losses{}, 0
	err := records.ForEach(func(key, value []byte) error {
		k, l, err := decodeLoss(key, value)
		if err != nil {
			return err
		}
		s.losses[k] = l
		if k.file != "" && k.file != OtherFiles {
			s.lossFiles++
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
	s.lossFiles++
	return putLoss(records, key, l)
}
