package boltfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// DB is an open file. All methods are safe for concurrent use.
type DB struct {
	*bolt.DB
	file    *os.File
	writing sync.Mutex // held while a transaction that writes runs
	headers headers
	batch   batch
	broken  atomic.Pointer[error]
}

// Broken returns the error of the transaction that found the file damaged, which all later ones return too, or nil.
func (db *DB) Broken() error {
	if err := db.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Check looks whether others have cut the file or written over its headers since the last transaction, and returns an
// error that wraps ErrDamaged if so; then the file is Broken.
func (db *DB) Check() error {
	if err := db.Broken(); err != nil {
		return err
	}
	if err := db.headers.check(db.file); err != nil {
		return db.breakWith(err)
	}
	return nil
}

// breakWith ends all use of the file because of the problem.
func (db *DB) breakWith(problem error) error {
	err := fmt.Errorf("%w: %w", ErrDamaged, problem)
	db.broken.CompareAndSwap(nil, &err)
	return db.Broken()
}

// Update runs fn in a transaction that is committed, and synced, when Update returns nil. The error is fn's or bbolt's,
// or wraps ErrDamaged.
func (db *DB) Update(fn func(*bolt.Tx) error) error {
	db.writing.Lock()
	defer db.writing.Unlock()
	return db.updateLocked(fn)
}

func (db *DB) updateLocked(fn func(*bolt.Tx) error) (err error) {
	if err := db.Broken(); err != nil {
		return err
	}
	if err := db.headers.begin(db.file); err != nil {
		return db.breakWith(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	// A transaction that panics must not be rolled back: bbolt goes through all pages for that, in a goroutine of its
	// own, and would trip over the same page where nobody can catch it. It stays open, and its pages are never used.
	defer func() { db.caught(recover(), &err) }()
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	id := tx.ID()
	if err = fn(tx); err != nil {
		_ = tx.Rollback() // it can only say that the transaction is over
	} else if problem := db.headers.freeList(db.file); problem != nil {
		_ = tx.Rollback()
		return db.breakWith(problem)
	} else {
		err = tx.Commit()
	}
	if problem := db.headers.ended(db.file, id, err == nil); problem != nil {
		return db.breakWith(problem)
	}
	return err
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

// caught turns a panic over a damaged page into an error. Others go on.
func (db *DB) caught(p any, err *error) {
	if p == nil {
		return
	}
	problem := fault(p)
	if problem == nil && trippedUp() {
		problem = fmt.Errorf("%v", p)
	}
	if e := db.headers.check(db.file); e != nil {
		problem = e
	} else if e := soundness(db.file); e != nil {
		problem = e
	}
	if problem == nil {
		panic(p) // the file is sound: this is a mistake of a program
	}
	*err = db.breakWith(problem)
}

// fault returns an error for a panic over memory that could not be read, as that of a file that was cut.
func fault(p any) error {
	if fault, ok := p.(interface{ Addr() uintptr }); ok {
		return fmt.Errorf("%v", fault)
	}
	return nil
}

// trippedUp says, of the panic that the deferred function is called for, whether it began in bbolt's code. Pages that
// were overwritten for a moment only leave no other trace.
func trippedUp() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for panicking := false; ; {
		f, more := frames.Next()
		switch inRuntime := strings.HasPrefix(f.Function, "runtime."); {
		case inRuntime:
			panicking = panicking || strings.Contains(f.Function, "panic")
		case panicking:
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}

// soundness returns what is wrong with the file's pages.
func soundness(file *os.File) error {
	tree, err := openTree(file)
	if err == nil {
		_, err = tree.SoundButSingles(nil)
	}
	return err
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
