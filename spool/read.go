package spool

import (
	"bytes"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
)

// ErrGap says that a block that should follow is not in the spool: it was dropped.
var ErrGap = errors.New("blocks are missing from the spool")

// Read appends to blocks those of the log from the sequence from on, oldest first, until their payloads exceed maxBytes
// or none is left; it reads at least one if there is one. It copies the payloads to buf, which it returns grown; the
// blocks are valid until buf is used again. The block that holds the sequence from comes whole. Where from was dropped
// the error wraps ErrGap; where a block is damaged it wraps block.ErrChecksum or ErrDamaged, and the sound blocks
// before it are returned.
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
	err := s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketBlocks).Cursor()
		key, value := seekBlock(c, q.id, from)
		for read := 0; key != nil && read < maxBytes; key, value = c.Next() {
			first, ok := keySequence(key, q.id)
			if !ok {
				return nil
			}
			b, _, err := decodeRecord(value)
			if err != nil {
				return err
			}
			b.Log, b.Producer, b.First = log, s.producer, first
			if first > from {
				return fmt.Errorf("%w: log %q has no line %d", ErrGap, log, from)
			}
			if err := b.Verify(); err != nil {
				return err
			}
			at := len(buf)
			buf = append(buf, b.Payload...)
			b.Payload = buf[at:len(buf):len(buf)]
			b.Reached.Value = bytes.Clone(b.Reached.Value)
			blocks = append(blocks, b)
			read += len(b.Payload)
			from = b.Last() + 1
		}
		return nil
	})
	return blocks, buf, err
}

// seekBlock moves the cursor to the block of log number id that holds the sequence, or to the next one.
func seekBlock(c *bolt.Cursor, id uint32, sequence uint64) (key, value []byte) {
	key, value = c.Seek(blockKey(id, sequence))
	if first, ok := keySequence(key, id); ok && first == sequence {
		return key, value
	}
	key, value = c.Prev() // the block before may hold it
	if key == nil {
		return c.Seek(blockKey(id, sequence))
	}
	if first, ok := keySequence(key, id); ok {
		if b, _, err := decodeRecord(value); err != nil || first+uint64(b.Count) > sequence {
			return key, value
		}
	}
	return c.Next()
}

// Settle says that all lines of the log up to the sequence through are safe elsewhere. It only takes note: the blocks
// leave the file with the next transaction, at the latest shortly after.
func (s *Spool) Settle(log string, through uint64) {
	s.mu.Lock()
	q, ok := s.queues[log]
	if ok = ok && through >= s.snapshotLocked(log, q).Oldest; ok {
		s.settled[log] = min(through, q.next-1)
		if s.emptied != nil && s.linesLocked() == 0 {
			close(s.emptied)
			s.emptied = nil
		}
	}
	s.mu.Unlock()
	if ok {
		select {
		case s.settles <- struct{}{}:
		default:
		}
	}
}
