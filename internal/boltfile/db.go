package boltfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// DB is an open file. All methods are safe for concurrent use.
type DB struct {
	*bolt.DB
	file   *os.File
	broken atomic.Pointer[error]
}

// Broken returns the error of the transaction that found the file damaged, which all later ones return too, or nil.
func (db *DB) Broken() error {
	if err := db.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Update runs fn in a transaction that is committed, and synced, when Update returns nil. The error is fn's or bbolt's,
// or wraps ErrDamaged.
func (db *DB) Update(fn func(*bolt.Tx) error) (err error) {
	if err := db.Broken(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	// A transaction that panics must not be rolled back: bbolt goes through all pages for that, in a goroutine of its
	// own, and would trip over the same page where nobody can catch it. It stays open, and its pages are never used.
	defer func() { db.caught(recover(), &err) }()
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback() // it can only say that the transaction is over
		return err
	}
	return tx.Commit()
}

// View runs fn in a transaction that sees the file as it is now. The error is fn's, or wraps ErrDamaged.
func (db *DB) View(fn func(*bolt.Tx) error) (err error) {
	if err := db.Broken(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { db.caught(recover(), &err) }()
	return db.DB.View(fn)
}

// Batch is Update, in a transaction that concurrent callers share; fn may run more than once.
func (db *DB) Batch(fn func(*bolt.Tx) error) error {
	if err := db.Broken(); err != nil {
		return err
	}
	return db.DB.Batch(fn)
}

// caught turns a panic over a damaged page into an error. Others go on.
func (db *DB) caught(p any, err *error) {
	if p == nil {
		return
	}
	problem := error(nil)
	if fault, ok := p.(interface{ Addr() uintptr }); ok {
		problem = fmt.Errorf("%v", fault)
	}
	if info, e := db.file.Stat(); e == nil {
		tree, e := bolttree.Open(db.file, info.Size())
		if e == nil {
			_, e = tree.Sound(nil)
		}
		if e != nil {
			problem = e
		}
	}
	if problem == nil {
		panic(p) // the file is sound: this is a mistake of a program
	}
	*err = fmt.Errorf("%w: %w", ErrDamaged, problem)
	db.broken.CompareAndSwap(nil, err)
}

// MakeBuckets makes those of the buckets that are missing. If there are others as well, the name of one may be damaged,
// and an empty one would take its place: then the error wraps ErrDamaged.
func MakeBuckets(tx *bolt.Tx, names ...[]byte) error {
	var other []byte
	err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if !slices.ContainsFunc(names, func(known []byte) bool { return bytes.Equal(known, name) }) {
			other = bytes.Clone(name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if tx.Bucket(name) == nil && other != nil {
			return fmt.Errorf("%w: it has a bucket %q, and none %q", ErrDamaged, other, name)
		}
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the file. That of a broken one stays mapped until the process ends: a transaction of it is still open.
func (db *DB) Close() error {
	if db.Broken() != nil {
		return errors.Join(unlock(db.file), db.file.Close()) // the map alone would keep the lock
	}
	return db.DB.Close()
}
