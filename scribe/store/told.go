package store

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// told is what others may read of a log without its mutex, which is held while the disk is written. It costs a round a few
// additions for each log.
type told struct {
	lines, bytes atomic.Int64           // committed since the store was opened
	written      atomic.Int64           // when, the last time; nanoseconds since 1970 UTC, 0 for never
	trouble      atomic.Pointer[string] // why the last attempt to write it failed; nil if it did not
}

func (t *told) committed(v volume, now time.Time) {
	t.lines.Add(v.lines)
	t.bytes.Add(v.bytes)
	t.written.Store(now.UnixNano())
	if t.trouble.Load() != nil {
		t.trouble.Store(nil)
	}
}

func (t *told) failed(err error) {
	text := err.Error()
	t.trouble.Store(&text)
}

// LogStats is one log.
type LogStats struct {
	Name    string
	Size    int64     // committed bytes of the active file
	Epoch   uint64    // the highest that was claimed
	Lines   int64     // committed since the store was opened
	Bytes   int64     // of these, as they stand in the files
	Written time.Time // when the last of them were; zero if none
	Trouble string    // why lines can't be written now; "" if they can
}

// toldAtOnce is how many logs are looked up in one transaction of the ledger, which must be short.
const toldAtOnce = 1000

// EachLog hands all logs whose names match to visit, in their order and a part at a time; no transaction and no lock is held
// meanwhile. visit's error ends it and is returned.
func (s *Store) EachLog(match func(name string) bool, visit func([]LogStats) error) error {
	for after, more := []byte(nil), true; more; {
		var part []LogStats
		err := s.ledger.db.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketLogs).Cursor()
			k, v := c.Seek(after)
			if bytes.Equal(k, after) && after != nil {
				k, v = c.Next()
			}
			for seen := 0; k != nil && seen < toldAtOnce; k, v = c.Next() {
				seen++
				after = bytes.Clone(k)
				if !match(string(k)) {
					continue
				}
				e, err := decodeEntry(k, v)
				if err != nil {
					return err
				}
				part = append(part, LogStats{Name: string(k), Size: e.size, Epoch: e.epoch})
			}
			more = k != nil
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		s.tell(part)
		if err := visit(part); err != nil {
			return err
		}
	}
	return nil
}

// EachActive is EachLog for those logs of which lines were committed since that time.
func (s *Store) EachActive(since time.Time, match func(name string) bool, visit func([]LogStats) error) error {
	s.mu.Lock()
	all := s.all // it only grows
	s.mu.Unlock()
	var active []string
	for _, l := range all {
		if l.told.written.Load() >= since.UnixNano() && match(l.name) {
			active = append(active, l.name)
		}
	}
	for len(active) > 0 {
		names := active[:min(toldAtOnce, len(active))]
		active = active[len(names):]
		part := make([]LogStats, 0, len(names))
		err := s.ledger.db.View(func(tx *bolt.Tx) error {
			bucket := tx.Bucket(bucketLogs)
			for _, name := range names {
				e, err := decodeEntry([]byte(name), bucket.Get([]byte(name)))
				if err != nil {
					return err
				}
				part = append(part, LogStats{Name: name, Size: e.size, Epoch: e.epoch})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		s.tell(part)
		if err := visit(part); err != nil {
			return err
		}
	}
	return nil
}

// tell adds what is known of the logs beside the ledger.
func (s *Store) tell(logs []LogStats) {
	known := make([]*logFile, len(logs))
	s.mu.Lock()
	for i := range logs {
		known[i] = s.logs[logs[i].Name]
	}
	s.mu.Unlock()
	for i, l := range known {
		if l == nil {
			continue
		}
		logs[i].Lines, logs[i].Bytes = l.told.lines.Load(), l.told.bytes.Load()
		if at := l.told.written.Load(); at != 0 {
			logs[i].Written = time.Unix(0, at)
		}
		if text := l.told.trouble.Load(); text != nil {
			logs[i].Trouble = *text
		}
	}
}

// Known returns the number of logs in the ledger.
func (s *Store) Known() (logs int, err error) {
	err = s.ledger.db.View(func(tx *bolt.Tx) error {
		logs = tx.Bucket(bucketLogs).Stats().KeyN
		return nil
	})
	return logs, err
}
