package boltfile

import (
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// batch gathers changes that share a transaction. bbolt has such batches too, but runs them in a goroutine of its own, where
// a page that can't be read ends the process.
type batch struct {
	mu    sync.Mutex
	calls []*call // the first one's caller runs the transaction
}

type call struct {
	fn   func(*bolt.Tx) error
	done chan error // capacity 1
}

// Batch is Update, in a transaction that callers share who come within MaxBatchDelay, or while another one runs; fn may run
// more than once, and in another's goroutine.
func (db *DB) Batch(fn func(*bolt.Tx) error) error {
	c := &call{fn: fn, done: make(chan error, 1)}
	b := &db.batch
	b.mu.Lock()
	b.calls = append(b.calls, c)
	first := len(b.calls) == 1
	b.mu.Unlock()
	if first {
		time.Sleep(db.MaxBatchDelay)
		db.runAll()
	}
	return <-c.done
}

// runAll runs the calls that have gathered in one transaction. One that fails is run alone, for its own error, and the
// others once more.
func (db *DB) runAll() {
	db.writing.Lock()
	defer db.writing.Unlock()
	db.batch.mu.Lock()
	calls := db.batch.calls
	db.batch.calls = nil
	db.batch.mu.Unlock()
	for len(calls) > 0 {
		failed := -1
		err := db.updateLocked(func(tx *bolt.Tx) error {
			for i, c := range calls {
				if err := c.fn(tx); err != nil {
					failed = i
					return err
				}
			}
			return nil
		})
		if failed < 0 {
			for _, c := range calls {
				c.done <- err
			}
			return
		}
		c := calls[failed]
		calls = append(calls[:failed:failed], calls[failed+1:]...)
		c.done <- db.updateLocked(c.fn)
	}
}
