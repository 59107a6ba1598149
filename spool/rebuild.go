package spool

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/logscribe/logscribe/internal/block"
)

// Where a log's record is lost, or only an older one is left, the blocks themselves say what it said: their log, and under
// which producer and from which sequence on they were stored. Their checksums cover that. So they keep the names that they
// have for a Scribe, which skips those that it has. What was dropped or set
// aside is in the list of losses. What is nowhere else is lost: whether lines were given to another producer after the last block that is left was stored.

// maxLogID is more than the number of logs that a spool can have.
const maxLogID = 1 << 24

// adopts says whether there may be blocks of logs whose records are lost.
func (s *survey) adopts() bool { return s.doubt || s.lacks(bucketQueues) }

// adopt makes sure that the log is known, of which a sound block was found under a key with that number.
func (s *survey) adopt(log string, id uint32) {
	if s.logs[log] != nil {
		return
	}
	s.logs[log] = &surveyed{queue: queue{id: id, oldest: 1, next: 1}, stale: true}
	if _, ok := s.names[id]; !ok {
		s.names[id] = log
	}
}

// identified says of which log the block in a record is, that of the key's number or if this is not known the one that it
// names itself, and whether it is sound. The error may come with the log.
func (s *survey) identified(p place, record []byte) (log string, b stored, err error) {
	own, labelled := decodeLabel(record)
	log, known := s.names[p.id]
	if !known {
		if !labelled || !s.adopts() || s.logs[own.log] != nil && s.logs[own.log].id != p.id {
			return "", stored{}, fmt.Errorf("%w: it does not name its log", ErrDamaged)
		}
		log = own.log
	}
	b = stored{first: p.first, at: p.at, size: p.size, stored: recordTime(record)}
	l := s.logs[log]
	fromRecord := func() (opened block.Block, err error) {
		opened, err = openRecord(log, &l.queue, p.first, record)
		if p.first >= l.known {
			b.id = l.spanAt(p.first).stored
		}
		return opened, err
	}
	var opened block.Block
	switch {
	case l != nil && (!l.stale || p.first < l.known):
		opened, err = fromRecord()
	case labelled && own.log == log:
		b.id = own.id
		opened, err = openLabelled(p.first, own, record)
	case l != nil && len(l.spans) > 0: // of a release without labels; its producer is most likely that of the lines before
		opened, err = fromRecord()
	default:
		err = fmt.Errorf("%w: it does not name its log", ErrDamaged)
	}
	if b.count = opened.Count; err == nil && b.count == 0 {
		err = fmt.Errorf("%w: a block without lines", ErrDamaged)
	}
	return log, b, err
}

// openLabelled returns the block in a record that begins at the position, as its label says that it was stored.
func openLabelled(position uint64, own label, record []byte) (block.Block, error) {
	b, err := decodeRecord(record)
	if err != nil {
		return block.Block{}, err
	}
	if own.id.base > position {
		return block.Block{}, fmt.Errorf("%w: a block at line %d of a producer that begins with line %d", ErrDamaged, position, own.id.base)
	}
	b.Log, b.Producer, b.First = own.log, own.id.producer, own.id.sequence(position)
	return b, b.Verify()
}

// respan brings the log's spans into line with blocks that its record does not know. That lines were given to another
// producer, because others write on under theirs, shows in the blocks that were stored under it later: its first line is one
// of those.
func (l *surveyed) respan() {
	var met []identity
	for _, s := range l.spans {
		met = append(met, s.stored)
	}
	l.blocks = slices.DeleteFunc(l.blocks, func(b stored) bool {
		n := len(l.spans)
		if b.id == (identity{}) || n > 0 && l.spans[n-1].stored == b.id {
			return false
		}
		if slices.Contains(met, b.id) {
			return true // of a transaction that did not come to its end: later lines have a newer producer
		}
		met = append(met, b.id)
		l.next = b.next()
		l.spans = append(l.spans, span{from: b.first, stored: b.id, sent: b.id})
		l.reidentify(b.id)
		return false
	})
}

// recount takes what is known of lines that left the log otherwise than by a receipt from the list of losses.
func (l *surveyed) recount(log string, all losses) {
	lines := func(reason Reason) uint64 { return all[lossKey{log: log, reason: reason}].lines }
	l.dropped = max(l.dropped, lines(SpoolFull))
	l.aside.refused = max(l.aside.refused, lines(Refused))
	l.aside.lines = max(l.aside.lines, l.aside.refused+lines(Damaged))
}

// openings are the holes of all logs by their numbers.
type openings struct {
	of     map[uint32][]hole
	adopts bool
}

var anywhere = []hole{{1, math.MaxUint64}}

// under returns where blocks under keys of that number may have their place.
func (o *openings) under(id uint32) []hole {
	if holes, known := o.of[id]; known || !o.adopts || id == 0 || id >= maxLogID {
		return holes
	}
	return anywhere
}

// apart leaves out what stands within another block: it is part of that one's lines.
func (found candidates) apart(known map[string]*surveyed) candidates {
	all := slices.Clone(found)
	for _, l := range known {
		for _, b := range l.blocks {
			all = append(all, candidate{stored: b})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.at, b.at), -cmp.Compare(a.size, b.size)) })
	within, outer := map[candidate]bool{}, stored{}
	for _, c := range all {
		if c.at > outer.at && c.at+c.size <= outer.at+outer.size {
			within[c] = true
		} else if c.at+c.size > outer.at+outer.size {
			outer = c.stored
		}
	}
	return slices.DeleteFunc(found, func(c candidate) bool { return within[c] })
}
