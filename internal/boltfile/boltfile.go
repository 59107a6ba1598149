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
)

// The errors that Open wraps; they do not name the file.
var (
	ErrLocked  = errors.New("another process has it open")
	ErrDamaged = errors.New("it is damaged")
)

// lockTimeout is how long Open waits for another process to let go of the file.
const lockTimeout = 100 * time.Millisecond

// Open opens the file for this process alone, or makes it; when it returns, the file's name is durable. The error wraps
// ErrLocked or ErrDamaged, or says what the system said.
func Open(path string) (*bolt.DB, error) {
	info, err := os.Stat(path)
	made := errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
	if !made {
		if err := check(path); err != nil {
			return nil, err
		}
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        lockTimeout,
		NoFreelistSync: true, // the list of free pages is rebuilt at open; writing it would cost each transaction
		FreelistType:   bolt.FreelistMapType,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return nil, err
	}
	if made {
		if err := syncFolder(filepath.Dir(path)); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
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
	return meta{pageSize: order.Uint32(b[8:]), pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:])}, true
}
