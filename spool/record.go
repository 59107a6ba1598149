package spool

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
)

// A block record is the value that stores one block. Its first position and the number of its log are in the key.
//
//	offset  width  meaning
//	0       1      version of this record: 3, or 4 if the block carries a checkpoint
//	1       1      codec
//	2       4      number of lines
//	6       4      size of the decoded payload in bytes
//	10      4      CRC-32C as in package block
//	14      8      when it was stored, nanoseconds since 1970 UTC
//	22      4      size of this record in bytes
//	26      16     producer under which the block is stored
//	42      8      position of that producer's first line in the log
//	50      2      length of the log's name
//	52      l      the log's name, UTF-8
//	52+l    n      payload
//
// In version 4 the payload is preceded by the checkpoint:
//
//	offset  width  meaning
//	52+l    2      length of the source
//	54+l    4      length of the value
//	58+l    s      source, UTF-8
//	58+l+s  v      value
//
// What stands at 22 to 52+l is the label. It says what the log's record (see queue.go) says of the block's lines, and is for
// the case that this is lost: nobody else reads it. Its bytes are covered by the block's checksum, but for the size, as the
// log, the producer and the sequence are.
//
// Versions 1, and 2 with a checkpoint, have no label: what comes before and after it follows on each other.
//
// A release that adds a version also raises that of the queue records, so that an older one refuses the whole spool and
// does not take the blocks for damaged.
const (
	recordVersion1           = 1
	recordVersion1Checkpoint = 2
	recordVersion            = 3
	recordVersionCheckpoint  = 4
	recordHeader             = 22
	labelHeader              = 30
	checkpointHeader         = 6

	keySize = 12
)

// label is what a record says of the place of its block.
type label struct {
	size int // of the record
	log  string
	id   identity // under which the block is stored
}

// recordSize returns the size of the draft's record in bytes.
func recordSize(d *block.Draft) int64 {
	n := recordHeader + labelHeader + len(d.Log) + len(d.Payload)
	if d.Reached.Size() > 0 {
		n += checkpointHeader + d.Reached.Size()
	}
	return int64(n)
}

// blockKey returns the key of the block that begins at position first of log number id.
func blockKey(id uint32, first uint64) []byte {
	key := make([]byte, 0, keySize)
	key = binary.BigEndian.AppendUint32(key, id)
	return binary.BigEndian.AppendUint64(key, first)
}

// keyPosition returns the first position in a block's key, and whether the key is one of log number id.
func keyPosition(key []byte, id uint32) (uint64, bool) {
	if len(key) != keySize || binary.BigEndian.Uint32(key) != id {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[4:]), true
}

// encodeRecord appends to buf the record of a block whose producer has its first line in the log at position base.
func encodeRecord(buf []byte, b *block.Block, base uint64, stored time.Time) []byte {
	version, start := byte(recordVersion), len(buf)
	if b.Reached.Size() > 0 {
		version = recordVersionCheckpoint
	}
	buf = append(buf, version, byte(b.Codec))
	buf = binary.BigEndian.AppendUint32(buf, b.Count)
	buf = binary.BigEndian.AppendUint32(buf, b.RawSize)
	buf = binary.BigEndian.AppendUint32(buf, b.CRC)
	buf = binary.BigEndian.AppendUint64(buf, uint64(stored.UnixNano()))
	buf = append(buf, 0, 0, 0, 0)
	buf = append(buf, b.Producer[:]...)
	buf = binary.BigEndian.AppendUint64(buf, base)
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(b.Log)))
	buf = append(buf, b.Log...)
	if version == recordVersionCheckpoint {
		buf = binary.BigEndian.AppendUint16(buf, uint16(len(b.Reached.Source)))
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b.Reached.Value)))
		buf = append(buf, b.Reached.Source...)
		buf = append(buf, b.Reached.Value...)
	}
	buf = append(buf, b.Payload...)
	binary.BigEndian.PutUint32(buf[start+recordHeader:], uint32(len(buf)-start))
	return buf
}

// decodeLabel returns the label of a record, or of what begins with one, and whether it has one that can be right.
func decodeLabel(record []byte) (l label, ok bool) {
	if len(record) < recordHeader+labelHeader || record[0] != recordVersion && record[0] != recordVersionCheckpoint {
		return label{}, false
	}
	b := record[recordHeader:]
	l.size = int(binary.BigEndian.Uint32(b))
	l.id = identity{producer: block.Producer(b[4:20]), base: binary.BigEndian.Uint64(b[20:])}
	end := recordHeader + labelHeader + int(binary.BigEndian.Uint16(b[28:]))
	if end > len(record) || end > l.size || l.id.base == 0 {
		return label{}, false
	}
	l.log = string(b[labelHeader : end-recordHeader])
	return l, logname.Check(l.log) == nil
}

// decodeHead returns what the first recordHeader bytes of a record say of the block, and when it was stored.
func decodeHead(value []byte) (b block.Block, stored time.Time, err error) {
	if len(value) < recordHeader {
		return block.Block{}, time.Time{}, fmt.Errorf("%w: a block record of %d bytes is too short", ErrDamaged, len(value))
	}
	if value[0] == 0 || value[0] > recordVersionCheckpoint {
		return block.Block{}, time.Time{}, fmt.Errorf("%w: a block record of version %d; there are versions up to %d", ErrDamaged, value[0], recordVersionCheckpoint)
	}
	b = block.Block{
		Codec:   block.Codec(value[1]),
		Count:   binary.BigEndian.Uint32(value[2:]),
		RawSize: binary.BigEndian.Uint32(value[6:]),
		CRC:     binary.BigEndian.Uint32(value[10:]),
	}
	return b, recordTime(value), nil
}

// decodeRecord returns the block in a record, without log, producer and first sequence. The payload and the checkpoint's
// value are part of the record's memory.
func decodeRecord(value []byte) (block.Block, error) {
	b, _, err := decodeHead(value)
	if err != nil {
		return block.Block{}, err
	}
	b.Payload = value[recordHeader:]
	if value[0] >= recordVersion {
		if len(b.Payload) < labelHeader || len(b.Payload) < labelHeader+int(binary.BigEndian.Uint16(b.Payload[28:])) {
			return block.Block{}, fmt.Errorf("%w: a block record of %d bytes is too short for its log's name", ErrDamaged, len(value))
		}
		b.Payload = b.Payload[labelHeader+int(binary.BigEndian.Uint16(b.Payload[28:])):]
	}
	if value[0] == recordVersion1Checkpoint || value[0] == recordVersionCheckpoint {
		if b.Payload, b.Reached, err = cutCheckpoint(b.Payload); err != nil {
			return block.Block{}, err
		}
	}
	return b, nil
}

// recordTime returns when the block was stored whose record begins with head.
func recordTime(head []byte) time.Time {
	if len(head) < recordHeader {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(head[14:])))
}

// cutCheckpoint parts the rest of a record with a checkpoint.
func cutCheckpoint(rest []byte) (payload []byte, c block.Checkpoint, err error) {
	if len(rest) < checkpointHeader {
		return nil, c, fmt.Errorf("%w: a block record is too short for its checkpoint", ErrDamaged)
	}
	source, value := int(binary.BigEndian.Uint16(rest)), int64(binary.BigEndian.Uint32(rest[2:]))
	rest = rest[checkpointHeader:]
	if int64(source)+value > int64(len(rest)) {
		return nil, c, fmt.Errorf("%w: a block record of %d bytes is too short for its checkpoint", ErrDamaged, len(rest))
	}
	c.Source, c.Value = string(rest[:source]), rest[source:int64(source)+value]
	return rest[int64(source)+value:], c, nil
}

// seat gives the block at the position the place that its checksum covers.
func (q *queue) seat(b *block.Block, log string, position uint64) span {
	s := q.spanAt(position)
	b.Log, b.Producer, b.First = log, s.stored.producer, s.stored.sequence(position)
	return s
}

// openRecord returns the block in a record that begins at the position, as it is sent. It shares the record's memory.
func openRecord(log string, q *queue, position uint64, record []byte) (block.Block, error) {
	b, err := decodeRecord(record)
	if err != nil {
		return block.Block{}, err
	}
	s := q.seat(&b, log, position)
	if s.sent == s.stored {
		return b, b.Verify()
	}
	return b.Reseal(s.sent.producer, s.sent.sequence(position))
}
