package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// held is what the keys of one log's blocks say.
type held struct {
	first, last uint64 // the first sequences of the first and of the last block
	bytes       uint64 // of their records
}

// holdings gathers what the keys of all blocks say, by the log's number, while the file is checked.
type holdings struct {
	logs  map[uint32]*held
	alien []byte // a key that can't be a block's
}

func (h *holdings) visit(bucket string, e bolttree.Element) {
	if bucket != string(bucketBlocks) {
		return
	}
	if len(e.Key) != keySize || e.Owner != nil && !bytes.Equal(e.Key, e.Owner) {
		h.alien = bytes.Clone(e.Key)
		return
	}
	id, first := binary.BigEndian.Uint32(e.Key), binary.BigEndian.Uint64(e.Key[4:])
	l := h.logs[id]
	if l == nil {
		l = &held{first: first}
		h.logs[id] = l
	}
	l.last = first
	l.bytes += uint64(e.Size)
}

// checkQueues holds the logs' records against the blocks: what is wrong in one of them would give sequences out twice, or
// make the shipper wait for blocks that never were. Of the blocks' records it reads that of each log's last one. The
// sizes are derived from the blocks, and are taken from there.
func (s *Spool) checkQueues(h *holdings, blocks blocks) error {
	if h.alien != nil {
		return fmt.Errorf("%w: a block under the key %x", ErrDamaged, h.alien)
	}
	s.bytes = 0
	known := map[uint32]bool{}
	for _, log := range slices.Sorted(maps.Keys(s.queues)) {
		q := s.queues[log]
		if known[q.id] || q.id == 0 || int(q.id) > len(s.queues) {
			return fmt.Errorf("%w: log %q has the number %d, which can't be", ErrDamaged, log, q.id)
		}
		known[q.id] = true
		if l := h.logs[q.id]; l != nil {
			if l.first < q.oldest || l.last >= q.next {
				return fmt.Errorf("%w: log %q should have the lines %d to %d, and has blocks from %d to %d",
					ErrDamaged, log, q.oldest, q.next-1, l.first, l.last)
			}
			if err := checkLast(log, q, l, blocks); err != nil {
				return err
			}
			q.bytes = l.bytes
		} else {
			q.bytes = 0
		}
		s.queues[log] = q
		s.bytes += int64(q.bytes)
	}
	for id := range h.logs {
		if !known[id] {
			return fmt.Errorf("%w: blocks of log number %d, which is not known", ErrDamaged, id)
		}
	}
	return nil
}

// checkLast returns an error if the log's last block reaches beyond its end. That a block is damaged is found when it is
// read.
func checkLast(log string, q queue, l *held, blocks blocks) error {
	record, err := blocks.Get(blockKey(q.id, l.last))
	if err != nil {
		return err
	}
	b, err := openRecord(log, &q, l.last, record)
	if end := l.last + uint64(b.Count); err == nil && end > q.next {
		return fmt.Errorf("%w: log %q should end at line %d, and has line %d", ErrDamaged, log, q.next-1, end-1)
	}
	return nil
}
