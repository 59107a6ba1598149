// Package boltfile opens the bbolt files in which agent, Scribe and mediator keep their state.
//
// # Invariants
//
//   - bbolt gets no file that it would trip over: before it maps one, all its pages are checked (package bolttree), under
//     the lock that keeps other processes away. Those of large values are, in a file opened by OpenSized, before bbolt
//     looks at them: see single.go and mend.go.
//   - Where bbolt trips all the same, because a page changed while the file was open, the transaction ends in an error
//     that wraps ErrDamaged, and so do all after it; nothing more is written to the file. So does one before which others
//     have cut the file or written over its headers. Transactions under way may hang then: bbolt keeps its locks.
//   - The values in the pages are their owner's to check.
//
// # Use
//
// Open, then the methods of bolt.DB; Update, View, Batch and Close are those of this package. OpenSized is for a file
// whose owner decides how much of the disk it takes.
package boltfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/sabotage"
)

// ErrDamaged is wrapped by errors of Open, as is ErrLocked; they do not name the file.
var ErrDamaged = errors.New("it is damaged")

// Visitor is called for each value of each bucket while a file is checked, in the order of the keys; of a page that holds
// buckets too, the values in them come last. Only if that ends without an error were these all.
type Visitor func(bucket string, e bolttree.Element)

// Open opens the file for this process alone, or makes it; when it returns, the file's name is durable. The error wraps
// ErrLocked or ErrDamaged, or says what the system said.
func Open(path string) (*DB, error) { return OpenWith(path, 0) }

// OpenWith is Open, and if the file is new it gets pages of that size, in bytes.
func OpenWith(path string, pageSize int) (*DB, error) {
	db, _, err := open(path, pageSize, (*bolttree.File).Sound, nil)
	return db, err
}

// look is how a file is looked at before bbolt gets it: Sound or SoundButSingles of package bolttree.
type look func(tree *bolttree.File, visit func(bucket string, e bolttree.Element)) (free []uint64, err error)

// open opens the file. A new one gets pages of that size, or if it is 0, of the system's. All says whether all its pages
// were looked at though look leaves some out: there are none yet, or bbolt needed it.
func open(path string, pageSize int, look look, visit Visitor) (_ *DB, all bool, err error) {
	file, err := Lock(path, true)
	if err != nil {
		return nil, false, err
	}
	made, all, err := prepare(file, look, visit)
	if err != nil {
		return nil, false, errors.Join(err, file.Close())
	}
	if made {
		// bbolt would leave a part of its first pages on a full disk.
		if err := reserve(file, 4*int64(max(pageSize, os.Getpagesize()))); err != nil {
			return nil, false, errors.Join(err, file.Close())
		}
	}
	bdb, err := openBolt(file, pageSize)
	if err != nil {
		return nil, false, err
	}
	db := &DB{DB: bdb, file: file}
	err = db.headers.note(file)
	if made && err == nil {
		err = SyncFolder(path)
	}
	if err != nil {
		return nil, false, errors.Join(err, db.Close())
	}
	return db, made || all, nil
}

// openBolt hands the file to bbolt, which closes it also when it fails.
func openBolt(file *os.File, pageSize int) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil { // others write over what was sound a moment ago
			problem := fault(p)
			if problem == nil {
				problem = fmt.Errorf("%v", p)
			}
			db, err = nil, errors.Join(fmt.Errorf("%w: %w", ErrDamaged, problem), unlock(file), file.Close())
		}
	}()
	db, err = bolt.Open(file.Name(), 0o600, &bolt.Options{
		OpenFile:       func(string, int, os.FileMode) (*os.File, error) { return file, nil },
		Timeout:        lockTimeout,
		NoFreelistSync: true, // the list of free pages is rebuilt at open; writing it would cost each transaction
		FreelistType:   bolt.FreelistMapType,
		NoSync:         sabotage.On(sabotage.BoltSync),
		PageSize:       pageSize,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, &LockedError{}
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, err
}

// SyncFolder makes the names in the folder of the file at path durable.
func SyncFolder(path string) error {
	if sabotage.On(sabotage.FolderSync) {
		return nil
	}
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// prepare checks the file, and says whether bbolt will have to make its first pages, and whether it has looked at all pages
// though look leaves some out.
func prepare(file *os.File, look look, visit Visitor) (made, all bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return false, false, err
	}
	if !info.Mode().IsRegular() {
		return false, false, fmt.Errorf("%s is not a regular file", file.Name())
	}
	if info.Size() == 0 {
		return true, false, nil
	}
	tree, err := bolttree.Open(file, info.Size())
	if err != nil && unfinished(file, info.Size()) {
		return true, false, file.Truncate(0)
	}
	var free []uint64
	if err == nil {
		free, err = look(tree, visit)
	}
	if err == nil && !tree.HasFreeList() {
		written, failure := writeFreeList(file, tree, free)
		if failure != nil {
			return false, false, failure
		}
		if all = !written; all {
			_, err = tree.Sound(nil) // bbolt will look at them
		}
	}
	if err != nil {
		return false, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return false, all, nil
}

// maxFirstPages bounds the bytes of the first four pages of a file.
const maxFirstPages = 4 << 16

// unfinished says whether the file is one that bbolt was making when the host lost its power: it has the length of the
// first pages, and no content yet.
func unfinished(r io.ReaderAt, size int64) bool {
	if size > maxFirstPages {
		return false
	}
	content := make([]byte, size)
	if _, err := r.ReadAt(content, 0); err != nil {
		return false
	}
	for _, b := range content {
		if b != 0 {
			return false
		}
	}
	return true
}
