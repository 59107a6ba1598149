package spool

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
)

// ErrGap says that a block that should follow is not in the spool: it was dropped.
var ErrGap = errors.New("blocks are missing from the spool")

// Read appends to blocks those of the log from the position from on, oldest first, until their payloads exceed maxBytes
// or none is left; it reads at least one if there is one. It copies their records to buf, which it returns grown; the
// blocks are valid until buf is used again. The block that holds the position comes whole. Blocks that follow each other
// may have different producers.
//
// Where from was dropped the error wraps ErrGap; where a block is damaged it is a BlockError, and the sound blocks before
// it are returned.
func (s *Spool) Read(blocks []block.Block, buf []byte, log string, from uint64, maxBytes int) ([]block.Block, []byte, error) {
	s.mu.Lock()
	q, ok := s.queues[log]
	s.mu.Unlock()
	if !ok || from >= q.next {
		return blocks, buf, nil
	}
	if from < q.oldest {
		return blocks, buf, fmt.Errorf("%w: log %q from line %d on, the oldest is %d", ErrGap, log, from, q.oldest)
	}
	start, mapped := from, int64(0)
	err := s.view(func(tx *bolt.Tx) error {
		stored := blocksOf(s.file, tx)
		c := stored.bucket.Cursor()
		key, value, err := seekBlock(stored, c, q.id, from)
		if err != nil {
			return err
		}
		for read := 0; from < q.next && read < maxBytes; key, value = c.Next() {
			first, ok := keyPosition(key, q.id)
			if !ok || first > from {
				return s.missing(log, from)
			}
			at := len(buf)
			if buf, err = stored.read(buf, key, value, maxRecord); errors.Is(err, boltfile.ErrDisk) {
				return &BlockError{Log: log, Position: from, Err: err}
			} else if err != nil {
				return err
			}
			mapped += stored.mapped(value, int64(len(buf)-at))
			b, err := openRecord(log, &q, first, buf[at:len(buf):len(buf)])
			if err != nil {
				return &BlockError{Log: log, Position: from, Err: err}
			}
			blocks = append(blocks, b)
			read += len(b.Payload)
			from = first + uint64(b.Count)
		}
		return nil
	})
	if from > start {
		s.departed(log, start, from-1)
		s.touched(mapped)
	}
	return blocks, buf, err
}

// missing returns the error for a block that is not in the file: it has left since Read looked at the queue, or it
// should be there.
func (s *Spool) missing(log string, position uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[log]; position < q.oldest {
		return fmt.Errorf("%w: log %q from line %d on, the oldest is %d", ErrGap, log, position, q.oldest)
	}
	return &BlockError{Log: log, Position: position, Err: errMissing}
}

// seekBlock moves the cursor to the block of log number id that holds the position, or to the next one. A damaged block may
// hold it.
func seekBlock(stored blocks, c *bolt.Cursor, id uint32, position uint64) (key, value []byte, err error) {
	key, value = c.Seek(blockKey(id, position))
	if first, ok := keyPosition(key, id); ok && first == position {
		return key, value, nil
	}
	if key, value = c.Prev(); key != nil {
		if first, ok := keyPosition(key, id); ok {
			head, err := stored.head(key, value)
			if err != nil {
				return nil, nil, err
			}
			if b, _, err := decodeHead(head); err != nil || first+uint64(b.Count) > position {
				return key, value, nil
			}
		}
	}
	key, value = c.Seek(blockKey(id, position))
	return key, value, nil
}
