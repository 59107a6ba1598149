package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// Sized is a bolt file that takes no more of the disk than its owner gives it. The owner extends it ahead of need, with
// blocks of the disk that are its own from then on, and bbolt never grows it: a transaction that finds no room fails
// before it writes anything, with ErrMaxSizeReached of bbolt, and one that finds room never meets a full disk.
//
// The methods must not be called concurrently with a transaction that writes, unless they say otherwise.
type Sized struct {
	*DB
	Pages    Pages // the file, but in tests of a disk that fails
	end      int64 // up to here the file has blocks on the disk
	pageSize int64
	singles  []byte // the bucket that has some; no other may
	toMend   bool   // there may be some at whose pages nobody has looked,
	mendFrom []byte // under this key and those behind it
}

// maxFreelist is the number of free pages up to which each transaction stores their list. With it the file opens at
// once, however large; without it bbolt looks at every page in use. A longer list would cost each transaction too much.
const maxFreelist = 4096

// OpenSized opens the file as Open does; a new one gets pages of that size, in bytes, or if it is 0, of the system's. It
// extends the file by nothing, but gives it the blocks that it lacks within its length, if the disk has them. It does not
// read the pages of singles, which only the bucket of that name may have. The visitor may be nil.
func OpenSized(path string, pageSize int, singles []byte, visit Visitor) (*Sized, error) {
	db, all, err := open(path, pageSize, (*bolttree.File).SoundButSingles, visit)
	if err != nil {
		return nil, err
	}
	info, err := db.file.Stat()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.AllocSize = 0 // bbolt asks for the pages that it needs, and no more
	s := &Sized{DB: db, Pages: db.file, end: info.Size(), pageSize: int64(db.Info().PageSize), singles: singles, toMend: !all}
	if err := allocate(db.file, 0, s.end); err != nil && !isFull(err) {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Update runs a transaction that may use the file up to the limit, in bytes, and free pages wherever they are.
func (s *Sized) Update(limit int64, fn func(*bolt.Tx) error) error {
	s.MaxSize = int(max(min(limit, s.end), s.pageSize))
	s.NoFreelistSync = !s.toMend && s.Free()/s.pageSize > maxFreelist
	return s.DB.Update(fn)
}

// Close stores the list of free pages, if it can, and closes the file.
func (s *Sized) Close() error {
	if s.NoFreelistSync {
		s.MaxSize, s.NoFreelistSync = int(s.end), false
		_ = s.DB.Update(func(*bolt.Tx) error { return nil }) // without the list, the next start takes longer
	}
	return s.DB.Close()
}

// Confirm makes the newest transaction durable that readers see, after Update returned an error although they see it:
// the disk has then failed to sync the page that makes it count. To run another transaction instead could overwrite
// pages of the one before, which may be the newest on the disk.
func (s *Sized) Confirm() error {
	m, err := newestMeta(s.file)
	if err != nil {
		return err
	}
	page := make([]byte, s.pageSize)
	at := int64(m.Transaction%2) * s.pageSize
	if _, err := s.file.ReadAt(page, at); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(page, at); err != nil { // so that it is synced again, which the system had given up
		return err
	}
	return s.file.Sync()
}

// End returns the length in bytes up to which the file may be used.
func (s *Sized) End() int64 { return s.end }

// Used returns the bytes of the pages that hold something. It may be called at any time.
func (s *Sized) Used() (int64, error) {
	var size int64
	err := s.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	return size - s.Free(), err
}

// Free returns the bytes of the free pages among those that were used before. It may be called at any time.
func (s *Sized) Free() int64 {
	stats := s.Stats()
	return int64(stats.FreePageN+stats.PendingPageN) * s.pageSize
}

// Extend gives the file blocks of the disk up to the length. It returns an error, and changes nothing, if the disk has
// not enough of them.
func (s *Sized) Extend(length int64) error {
	length = (length + s.pageSize - 1) / s.pageSize * s.pageSize
	if length <= s.end {
		return nil
	}
	if err := allocate(s.file, s.end, length-s.end); err != nil {
		// What a failed call did allocate goes back, so that the length says what the file has.
		return errors.Join(err, s.file.Truncate(s.end))
	}
	s.end = length
	return nil
}

// PageSize returns the size of the file's pages in bytes.
func (s *Sized) PageSize() int64 { return s.pageSize }

// Disk returns the bytes that the file takes on its disk. It may be called at any time.
func (s *Sized) Disk() (int64, error) {
	info, err := s.file.Stat()
	if err != nil {
		return 0, err
	}
	return diskBytes(info), nil
}

// IsAt says whether the file stands at the path. It may be called at any time.
func (s *Sized) IsAt(path string) (bool, error) { return leadsTo(path, s.file) }

// GiveBack returns the blocks of all free pages to the disk, for the time until Refill or the end of the file: meanwhile
// a transaction may meet a full disk. No transaction at all may run.
func (s *Sized) GiveBack() error {
	s.MaxSize, s.NoFreelistSync = int(s.end), false
	if err := s.DB.Update(func(*bolt.Tx) error { return nil }); err != nil { // stores the list of free pages
		return err
	}
	free, used, err := readFreelist(s.file)
	if err != nil {
		return err
	}
	for len(free) > 0 {
		n := 1
		for n < len(free) && free[n] == free[0]+uint64(n) {
			n++
		}
		if err := punch(s.file, int64(free[0])*s.pageSize, int64(n)*s.pageSize); err != nil {
			return err
		}
		free = free[n:]
	}
	return punch(s.file, used, max(0, s.end-used))
}

// Refill takes back what GiveBack gave.
func (s *Sized) Refill() error { return allocate(s.file, 0, s.end) }

// Forget lets go of the memory in which the file's pages are mapped; they are read again when they are needed. It may be
// called at any time.
func (s *Sized) Forget() error { return s.View(s.ForgetWithin) }

// ForgetWithin is Forget for one who has a transaction.
func (s *Sized) ForgetWithin(tx *bolt.Tx) error { return unmapPages(s.Info().Data, uintptr(tx.Size())) }

// A page of free pages has after its header of 16 bytes, in the byte order of the host, the numbers of the pages, 8
// bytes each. The header's bytes 8 and 9 are flags, 10 and 11 the count, or ffff if the count stands before the numbers.
// (go.etcd.io/bbolt, internal/common/page.go)
const (
	pageHeader    = 16
	freelistFlag  = 0x10
	countFollows  = 0xFFFF
	pageNumberLen = 8
)

// readFreelist returns the numbers of the free pages as the newest transaction stored them, in order, and the bytes up
// to which pages have been used.
func readFreelist(f *os.File) (free []uint64, used int64, err error) {
	m, err := newestMeta(f)
	if err != nil {
		return nil, 0, err
	}
	at, order := int64(m.FreeList)*int64(m.PageSize), binary.NativeEndian
	var header [pageHeader + pageNumberLen]byte
	if _, err := f.ReadAt(header[:], at); err != nil {
		return nil, 0, err
	}
	count, numbers := uint64(order.Uint16(header[10:])), at+pageHeader
	if count == countFollows {
		count, numbers = order.Uint64(header[pageHeader:]), numbers+pageNumberLen
	}
	if order.Uint16(header[8:]) != freelistFlag || m.FreeList >= m.Pages || count > m.Pages {
		return nil, 0, fmt.Errorf("%w: page %d is no list of free pages", ErrDamaged, m.FreeList)
	}
	list := make([]byte, count*pageNumberLen)
	if _, err := f.ReadAt(list, numbers); err != nil {
		return nil, 0, err
	}
	free = make([]uint64, count)
	for i := range free {
		free[i] = order.Uint64(list[i*pageNumberLen:])
		if free[i] < 2 || free[i] >= m.Pages || i > 0 && free[i] <= free[i-1] {
			return nil, 0, fmt.Errorf("%w: the list of free pages names page %d", ErrDamaged, free[i])
		}
	}
	return free, int64(m.Pages) * int64(m.PageSize), nil
}

// newestMeta returns the meta page of the newest transaction.
func newestMeta(f *os.File) (bolttree.Meta, error) {
	tree, err := openTree(f)
	if err != nil {
		return bolttree.Meta{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return tree.Meta(), nil
}

// lengthen makes the file that long, unless it is longer.
func lengthen(f *os.File, length int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() >= length {
		return err
	}
	return f.Truncate(length)
}
