package store

import (
	"bytes"
	"fmt"
	"slices"
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
	if v.lines > 0 { // else a rotation or an epoch was all
		t.lines.Add(v.lines)
		t.bytes.Add(v.bytes)
		t.written.Store(now.UnixNano())
	}
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
		part, err := s.read(func(logs *bolt.Bucket) (part []LogStats, err error) {
			c := logs.Cursor()
			k, v := c.Seek(after)
			if bytes.Equal(k, after) && after != nil {
				k, v = c.Next()
			}
			for seen := 0; k != nil && seen < toldAtOnce && err == nil; k, v = c.Next() {
				seen++
				after = bytes.Clone(k)
				if match(string(k)) {
					part, err = appendStats(part, k, v)
				}
			}
			more = k != nil
			return part, err
		})
		if err == nil {
			err = visit(part)
		}
		if err != nil {
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
	for names := range slices.Chunk(active, toldAtOnce) {
		part, err := s.read(func(logs *bolt.Bucket) (part []LogStats, err error) {
			for i := 0; i < len(names) && err == nil; i++ {
				part, err = appendStats(part, []byte(names[i]), logs.Get([]byte(names[i])))
			}
			return part, err
		})
		if err == nil {
			err = visit(part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read has logs read in one transaction of the ledger, and adds what is known of them beside it.
func (s *Store) read(part func(logs *bolt.Bucket) ([]LogStats, error)) (logs []LogStats, err error) {
	err = s.ledger.db.View(func(tx *bolt.Tx) error {
		logs, err = part(tx.Bucket(bucketLogs))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	s.tell(logs)
	return logs, nil
}

func appendStats(to []LogStats, name, record []byte) ([]LogStats, error) {
	e, err := decodeEntry(name, record)
	if err != nil {
		return to, err
	}
	return append(to, LogStats{Name: string(name), Size: e.size, Epoch: e.epoch}), nil
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

// Known returns the number of logs in the ledger, as they were counted: to walk over them takes too long.
func (s *Store) Known() int { return int(s.ledger.known.Load()) }
