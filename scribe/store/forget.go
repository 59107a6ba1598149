package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// forgetEvery is how often the keeper looks for producers to forget.
	forgetEvery = time.Hour
	// forgetAtOnce is how many records it looks at, and may remove, in one transaction.
	forgetAtOnce = 5000
)

// forgetProducers removes from the ledger what it knows of producers in logs in which they have committed nothing for
// Options.ProducerTTL: spools take new identities over time, and each leaves a record in every log that it had lines of.
// A log whose file is open goes on to know them until it is closed. A producer that comes back after that is taken at its
// word: its oldest line counts as the first.
func (s *Store) forgetProducers(ctx context.Context) error {
	before := s.now().Add(-s.producerTTL)
	forgotten := 0
	for from := []byte{}; from != nil && ctx.Err() == nil; {
		stale, next, err := s.ledger.staleMarks(from, before)
		if err == nil && len(stale) > 0 {
			err = s.ledger.removeMarks(stale, before)
		}
		if err != nil {
			return err
		}
		forgotten += len(stale)
		from = next
	}
	if forgotten > 0 {
		s.logger.Info("forgot producers that have sent nothing to a log for long", "records", forgotten, "producer_ttl", s.producerTTL)
	}
	return nil
}

// staleMarks returns the keys of producer records, of the next ones from a key on, whose last commit came before that
// time, and where to go on; nil at the end.
func (l *ledger) staleMarks(from []byte, before time.Time) (stale [][]byte, next []byte, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketProducers).Cursor()
		k, v := c.Seek(from)
		for n := 0; k != nil && n < forgetAtOnce; n++ {
			_, at, err := decodeMark(k, v)
			if err != nil {
				return err
			}
			if at.Before(before) {
				stale = append(stale, bytes.Clone(k))
			}
			k, v = c.Next()
		}
		next = bytes.Clone(k)
		return nil
	})
	return stale, next, err
}

// removeMarks removes those of the producer records that are still stale.
func (l *ledger) removeMarks(keys [][]byte, before time.Time) error {
	err := l.db.Update(func(tx *bolt.Tx) error {
		producers := tx.Bucket(bucketProducers)
		for _, k := range keys {
			if _, at, err := decodeMark(k, producers.Get(k)); err != nil || !at.Before(before) {
				continue // it has come back
			}
			if err := producers.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget producers: %w", err)
	}
	return nil
}
