// Package boltfile opens the bbolt files in which agent, Scribe and mediator keep their state.
//
// bbolt itself trusts the pages of a file: where one that it needs is missing it crashes the process, in a goroutine of
// its own. So a file is looked at before bbolt gets it: it must be as long as its newest sound meta page says. Pages
// have no checksums; damage within them is not found here.
package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/logscribe/logscribe/internal/sabotage"
)

// The errors that Open wraps; they do not name the file.
var (
	ErrLocked  = errors.New("another process has it open")
	ErrDamaged = errors.New("it is damaged")
)

// lockTimeout is how long Open waits for another process to let go of the file.
const lockTimeout = 100 * time.Millisecond

// lockAttempts is how often Open begins anew where the file was replaced while it waited for the lock.
const lockAttempts = 3

// Open opens the file for this process alone, or makes it; when it returns, the file's name is durable. The error wraps
// ErrLocked or ErrDamaged, or says what the system said.
func Open(path string) (*bolt.DB, error) {
	db, _, err := open(path, 0)
	return db, err
}

// open also returns the file that bbolt works on, which stays bbolt's to close. A new file gets pages of that size, or
// if it is 0, of the system's.
func open(path string, pageSize int) (*bolt.DB, *os.File, error) {
	for range lockAttempts {
		db, file, err := openOnce(path, pageSize)
		if err != nil {
			return nil, nil, err
		}
		// A process that compacts its file renames a new one over it. Who waited for the lock of the old one now holds
		// a file without a name.
		same, err := leadsTo(path, file)
		if err == nil && same {
			return db, file, nil
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, ErrLocked
}

func openOnce(path string, pageSize int) (*bolt.DB, *os.File, error) {
	info, err := os.Stat(path)
	made := errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
	if !made {
		if err := check(path); err != nil {
			return nil, nil, err
		}
	}
	var file *os.File
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        lockTimeout,
		NoFreelistSync: true, // the list of free pages is rebuilt at open; writing it would cost each transaction
		FreelistType:   bolt.FreelistMapType,
		NoSync:         sabotage.On(sabotage.BoltSync),
		PageSize:       pageSize,
		OpenFile: func(path string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(path, flag, mode)
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return nil, nil, err
	}
	if made {
		if err := SyncFolder(path); err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
	}
	return db, file, nil
}

// leadsTo says whether the file stands at the path.
func leadsTo(path string, file *os.File) (bool, error) {
	at, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	own, err := file.Stat()
	return err == nil && os.SameFile(at, own), err
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

// check returns an error if the file is shorter than its newest sound meta page says. If neither is sound, bbolt finds
// better words for it.
func check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	newest, ok := newestMeta(f)
	if want := int64(newest.pages) * int64(newest.pageSize); ok && info.Size() < want {
		return fmt.Errorf("%w: it has %d bytes of %d", ErrDamaged, info.Size(), want)
	}
	return nil
}

// meta is what is read of a meta page, which bbolt writes in the byte order of the host. After a page header of 16
// bytes:
//
//	offset  width  meaning
//	0       4      magic, ed0cdaed
//	4       4      version, 2
//	8       4      page size
//	12      4      flags
//	16      16     root bucket
//	32      8      page of the free list
//	40      8      number of pages in use
//	48      8      transaction
//	56      8      FNV-64a of all before
//
// (go.etcd.io/bbolt, internal/common/meta.go)
type meta struct {
	pageSize    uint32
	freelist    uint64
	pages       uint64
	transaction uint64
}

const (
	metaMagic      = 0xED0CDAED
	metaAt         = 16
	metaSize       = 64
	metaSum        = 56
	smallestPage   = 1 << 9
	largestPage    = 1 << 16
	metaPageOffset = metaAt + metaSize
)

// newestMeta returns the sound one of the two meta pages that has the later transaction.
func newestMeta(r io.ReaderAt) (newest meta, ok bool) {
	newest, ok = readMeta(r, 0)
	for size := int64(smallestPage); size <= largestPage; size *= 2 { // the second one lies a page further
		if m, sound := readMeta(r, size); sound && int64(m.pageSize) == size && (!ok || m.transaction > newest.transaction) {
			newest, ok = m, true
		}
	}
	return newest, ok
}

func readMeta(r io.ReaderAt, at int64) (meta, bool) {
	var page [metaPageOffset]byte
	if _, err := r.ReadAt(page[:], at); err != nil {
		return meta{}, false
	}
	b, order := page[metaAt:], binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(b[:metaSum])
	if order.Uint32(b) != metaMagic || order.Uint64(b[metaSum:]) != sum.Sum64() {
		return meta{}, false
	}
	return meta{
		pageSize: order.Uint32(b[8:]), freelist: order.Uint64(b[32:]), pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:]),
	}, true
}
