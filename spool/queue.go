package spool

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"github.com/logscribe/logscribe/internal/block"
)

// queue is the state of one log's blocks. A queue record stores it:
//
//	offset  width  meaning
//	0       1      version of this record, 4
//	1       4      the log's number in the keys of its blocks
//	5       8      oldest: the first position that the spool still holds; next if it holds none
//	13      8      next: the position that the next line gets
//	21      8      size of the log's block records in bytes
//	29      8      number of lines dropped because the spool was full
//	37      8      number of blocks set aside
//	45      8      number of lines in them
//	53      8      unmet: the first position that was stored before it was known that nobody else numbers lines so,
//	               0 if there is none
//	61      8      number of those lines set aside that no Scribe takes; the others were damaged
//	69      8      told: number of lines dropped that the agent's own log has been told of
//	77      56 n   spans, oldest first, at least one
//	77+56n  4      CRC-32C of the log's name and of all before
//
// A span:
//
//	offset  width  meaning
//	0       8      its first position
//	8       16     producer under which its blocks are stored
//	24      8      position of that producer's first line
//	32      16     producer under which its blocks are sent
//	48      8      position of that producer's first line
//
// Version 3 is the same, of a release that knows no block records with a label. Version 2 has the spans at once behind
// unmet. Version 1 ends before the blocks set aside, without spans and checksum: all its lines have the spool's producer,
// and their positions are their sequences. Open writes them anew as version 4.
type queue struct {
	id      uint32
	oldest  uint64
	next    uint64
	bytes   uint64
	dropped uint64
	told    uint64 // of those dropped
	aside   setAside
	unmet   uint64
	spans   []span
}

// setAside counts what is in quarantine.
type setAside struct {
	blocks, lines uint64
	refused       uint64 // lines that no Scribe takes
}

const (
	queueVersion1 = 1
	queueVersion2 = 2
	queueVersion  = 4
	queueSize1    = 37
	queueHeader2  = 61
	queueHeader   = 77
	spanSize      = 56
)

// newQueue returns the state of a log of that number that has no lines yet.
func newQueue(id uint32, producer block.Producer) queue {
	first := identity{producer: producer, base: 1}
	return queue{id: id, oldest: 1, next: 1, spans: []span{{from: 1, stored: first, sent: first}}}
}

func encodeQueue(log string, q queue) []byte {
	buf := make([]byte, 0, queueHeader+len(q.spans)*spanSize+sealSize)
	buf = append(buf, queueVersion)
	buf = binary.BigEndian.AppendUint32(buf, q.id)
	for _, n := range []uint64{q.oldest, q.next, q.bytes, q.dropped, q.aside.blocks, q.aside.lines, q.unmet, q.aside.refused, q.told} {
		buf = binary.BigEndian.AppendUint64(buf, n)
	}
	for _, s := range q.spans {
		buf = binary.BigEndian.AppendUint64(buf, s.from)
		for _, id := range []identity{s.stored, s.sent} {
			buf = append(buf, id.producer[:]...)
			buf = binary.BigEndian.AppendUint64(buf, id.base)
		}
	}
	return seal([]byte(log), buf)
}

// decodeQueue reads a queue record. The lines of one of version 1 are the producer's.
func decodeQueue(log, record []byte, producer block.Producer) (queue, error) {
	value, sealed := unseal(log, record)
	switch {
	case len(record) == queueSize1 && record[0] == queueVersion1:
		value = record
	case !sealed:
		return queue{}, fmt.Errorf("%w: the checksum of the queue record of log %q does not fit", ErrDamaged, log)
	case len(value) > 0 && (value[0] < queueVersion2 || value[0] > queueVersion):
		return queue{}, fmt.Errorf("%w: queue record of log %q has version %d, this release reads up to %d", ErrVersion, log, value[0], queueVersion)
	}
	header := queueHeader
	if len(value) > 0 && value[0] == queueVersion2 {
		header = queueHeader2
	}
	first := len(value) == queueSize1 && value[0] == queueVersion1
	if !first && (len(value) <= header || (len(value)-header)%spanSize != 0) {
		return queue{}, fmt.Errorf("%w: queue record of log %q has %d bytes", ErrDamaged, log, len(value))
	}
	number := func(at int) uint64 { return binary.BigEndian.Uint64(value[at:]) }
	q := newQueue(binary.BigEndian.Uint32(value[1:]), producer)
	q.oldest, q.next, q.bytes, q.dropped = number(5), number(13), number(21), number(29)
	q.told = q.dropped // as far as is known of an older record
	if !first {
		q.aside = setAside{blocks: number(37), lines: number(45)}
		q.unmet = number(53)
		if header == queueHeader {
			q.aside.refused, q.told = number(61), number(69)
		}
		q.spans = nil
		for at := header; at < len(value); at += spanSize {
			q.spans = append(q.spans, span{
				from:   number(at),
				stored: identity{producer: uuid.UUID(value[at+8 : at+24]), base: number(at + 24)},
				sent:   identity{producer: uuid.UUID(value[at+32 : at+48]), base: number(at + 48)},
			})
		}
	}
	return q, q.check(log)
}

// check returns an error if the record can't be right.
func (q *queue) check(log []byte) error {
	if q.oldest == 0 || q.oldest > q.next || q.unmet > q.next || q.told > q.dropped || q.aside.refused > q.aside.lines {
		return fmt.Errorf("%w: queue record of log %q has positions %d to %d", ErrDamaged, log, q.oldest, q.next)
	}
	before := uint64(0)
	for i, s := range q.spans {
		if s.from <= before && i > 0 || i == 0 && s.from > q.oldest || s.from > q.next ||
			s.stored.base == 0 || s.stored.base > s.from || s.sent.base == 0 || s.sent.base > s.from {
			return fmt.Errorf("%w: queue record of log %q has a span that begins at position %d", ErrDamaged, log, s.from)
		}
		before = s.from
	}
	return nil
}
