package store

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/logname"
)

const (
	// forgetEvery is how often the keeper looks for what the ledger may forget.
	forgetEvery = 10 * time.Minute
	// forgetAtOnce is how many records it looks at, and may remove, in one transaction.
	forgetAtOnce = 5000
)

// forgetProducers removes from the ledger what it knows of producers in logs in which they have committed nothing for
// Options.ProducerTTL: spools take new identities over time, and each leaves a record in every log that it had lines of.
// A log whose file is open goes on to know them until it is closed. A producer that comes back after that is taken at its
// word: its oldest line counts as the first.
func (s *Store) forgetProducers(ctx context.Context) error {
	if s.producerTTL <= 0 {
		return nil
	}
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

// forgetFiles removes from the ledger what it knows of rotated files that are gone, as far as none of their log's older
// ones exists: retention deletes the oldest first, and so do people. Verify misses the others. Where the log's active file
// is not there either, its folder may be one that is not mounted: then nothing is removed.
func (s *Store) forgetFiles(ctx context.Context) error {
	logs, err := s.ledger.logsWithFiles()
	if err != nil {
		return err
	}
	var gone [][]byte
	for _, log := range logs {
		for more := true; more && ctx.Err() == nil; {
			var found [][]byte
			if found, more, err = s.goneFiles(log); err != nil {
				return err
			}
			if gone = append(gone, found...); len(gone) >= forgetAtOnce || more {
				if err := s.ledger.removeFiles(gone); err != nil {
					return err
				}
				gone = nil
			}
		}
	}
	return s.ledger.removeFiles(gone)
}

// goneFiles returns the keys of the log's oldest file records whose files are gone, and whether there may be more. The
// records are read before the folder is: a file that is rotated in between has no record here.
func (s *Store) goneFiles(log string) (gone [][]byte, more bool, err error) {
	keys, err := s.ledger.oldestFiles(log)
	if err != nil {
		return nil, false, err
	}
	names, err := s.list(logname.Dir(log))
	if err != nil {
		return nil, false, err
	}
	present := func(file string) bool { _, ok := slices.BinarySearch(names, path.Base(file)); return ok }
	if !present(Plain.active(log)) && !present(Frames.active(log)) {
		return nil, false, nil
	}
	there := map[int64]struct{}{}
	for f := range rotatedAmong(names, log) {
		there[f.stamp] = struct{}{}
	}
	for _, k := range keys {
		_, stamp, _ := splitFileKey(k)
		if _, ok := there[stamp]; ok {
			return gone, false, nil
		}
		gone = append(gone, k)
	}
	return gone, len(keys) == forgetAtOnce, nil
}

// logsWithFiles returns the logs that have file records, in their order.
func (l *ledger) logsWithFiles() (logs []string, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketFiles).Cursor()
		for k, _ := c.First(); k != nil; {
			log, _, ok := splitFileKey(k)
			if !ok {
				return fmt.Errorf("%w: a file record has the key %q", ErrDamaged, k)
			}
			logs = append(logs, log)
			k, _ = c.Seek([]byte(log + "\x01")) // behind all of this log
		}
		return nil
	})
	return logs, err
}

// oldestFiles returns the keys of the log's first file records, at most forgetAtOnce.
func (l *ledger) oldestFiles(log string) (keys [][]byte, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketFiles).Cursor()
		prefix := []byte(log + "\x00")
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(keys) < forgetAtOnce; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		return nil
	})
	return keys, err
}

func (l *ledger) removeFiles(keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	err := l.db.Update(func(tx *bolt.Tx) error {
		for _, k := range keys {
			if err := tx.Bucket(bucketFiles).Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget files: %w", err)
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
