package spool

import (
	"encoding/binary"
	"fmt"
)

// queue is the state of one log's blocks. A queue record stores it:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       4      the log's number in the keys of its blocks
//	5       8      oldest: the first sequence that the spool still holds; next if it holds none
//	13      8      next: the sequence that the next line gets
//	21      8      size of the log's block records in bytes
//	29      8      number of lines dropped because the spool was full
type queue struct {
	id      uint32
	oldest  uint64
	next    uint64
	bytes   uint64
	dropped uint64
}

const (
	queueVersion = 1
	queueSize    = 37
)

func encodeQueue(q queue) []byte {
	buf := make([]byte, 0, queueSize)
	buf = append(buf, queueVersion)
	buf = binary.BigEndian.AppendUint32(buf, q.id)
	buf = binary.BigEndian.AppendUint64(buf, q.oldest)
	buf = binary.BigEndian.AppendUint64(buf, q.next)
	buf = binary.BigEndian.AppendUint64(buf, q.bytes)
	return binary.BigEndian.AppendUint64(buf, q.dropped)
}

func decodeQueue(log, value []byte) (queue, error) {
	if len(value) > 0 && value[0] != queueVersion {
		return queue{}, fmt.Errorf("%w: queue record of log %q has version %d, this release reads %d", ErrVersion, log, value[0], queueVersion)
	}
	if len(value) != queueSize {
		return queue{}, fmt.Errorf("%w: queue record of log %q has %d bytes instead of %d", ErrDamaged, log, len(value), queueSize)
	}
	q := queue{
		id:      binary.BigEndian.Uint32(value[1:]),
		oldest:  binary.BigEndian.Uint64(value[5:]),
		next:    binary.BigEndian.Uint64(value[13:]),
		bytes:   binary.BigEndian.Uint64(value[21:]),
		dropped: binary.BigEndian.Uint64(value[29:]),
	}
	if q.oldest == 0 || q.oldest > q.next {
		return queue{}, fmt.Errorf("%w: queue record of log %q has sequences %d to %d", ErrDamaged, log, q.oldest, q.next)
	}
	return q, nil
}

// Queue is a snapshot of one log's state.
type Queue struct {
	Log     string
	Oldest  uint64 // the first sequence that is not settled; Next if all are
	Next    uint64 // the sequence that the next line gets
	Dropped uint64 // lines dropped because the spool was full, since the spool was made
}

// Lines returns the number of lines that wait.
func (q Queue) Lines() uint64 { return q.Next - q.Oldest }
