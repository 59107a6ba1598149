package spool

import (
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// ages remembers when the oldest blocks of the logs were stored, so that a look at a backlog that does not move reads
// nothing.
type ages struct {
	mu sync.Mutex
	of map[string]age // by log, of those that hold lines
}

// age is when the block was stored that holds a position.
type age struct {
	id       uint32
	position uint64
	stored   time.Time // zero if it is not known: the block is damaged, or has left
}

// agesAtOnce is how many logs are looked at in one transaction, which must be short.
const agesAtOnce = 256

// Oldest returns when the oldest line that waits for a receipt was stored; the zero time if none waits. It reads the
// beginning of one block of each log whose oldest block is another one than at the last call.
func (s *Spool) Oldest() (time.Time, error) {
	s.ages.mu.Lock()
	defer s.ages.mu.Unlock()
	now, unknown := s.agesNow()
	for len(unknown) > 0 {
		part := unknown[:min(agesAtOnce, len(unknown))]
		unknown = unknown[len(part):]
		if err := s.view(func(tx *bolt.Tx) error { return s.findAges(tx, now, part) }); err != nil {
			return time.Time{}, err
		}
	}
	s.ages.of = now
	var oldest time.Time
	for _, a := range now {
		if !a.stored.IsZero() && (oldest.IsZero() || a.stored.Before(oldest)) {
			oldest = a.stored
		}
	}
	return oldest, nil
}

// agesNow returns an entry for each log that holds lines, and the logs of which the time is not known.
func (s *Spool) agesNow() (now map[string]age, unknown []string) {
	now = map[string]age{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for log, q := range s.queues {
		position := s.oldestLocked(log, q)
		if position >= q.next {
			continue
		}
		if a, ok := s.ages.of[log]; ok && a.position == position && !a.stored.IsZero() {
			now[log] = a
			continue
		}
		now[log] = age{id: q.id, position: position}
		unknown = append(unknown, log)
	}
	return now, unknown
}

// findAges reads when the blocks of the logs were stored.
func (s *Spool) findAges(tx *bolt.Tx, now map[string]age, logs []string) error {
	stored := blocksOf(s.file, tx)
	c := stored.bucket.Cursor()
	for _, log := range logs {
		a := now[log]
		key, value, err := seekBlock(stored, c, a.id, a.position)
		if err != nil {
			return err
		}
		if _, ok := keyPosition(key, a.id); !ok {
			continue // it has left meanwhile
		}
		head, err := stored.head(key, value)
		if err != nil {
			return err
		}
		if _, at, err := decodeHead(head); err == nil {
			a.stored = at
			now[log] = a
		}
	}
	return nil
}

// beat tells when the writer was last at rest, or began the transaction that it does now.
type beat struct{ at atomic.Int64 }

func (b *beat) rest() { b.at.Store(time.Now().UnixNano()) }

// Busy returns how long the goroutine that writes has been at one piece of its work; it has some each second.
func (s *Spool) Busy() time.Duration { return time.Since(time.Unix(0, s.beat.at.Load())) }
