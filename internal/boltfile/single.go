package boltfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// Large values stand in buckets of their own, singles (package bolttree), each in pages of its own. They are not looked at
// when the file is opened: with 10 GiB of them that would take as many reads of the disk as there are values. So bbolt must
// be kept from their pages until it is known that it can bear them:
//
//   - what is in them is read from the file, and not through bbolt;
//   - before one is removed, which makes bbolt look at its pages, and before bbolt looks at all pages in use, as it does
//     when a transaction fails of a file that has no list of its free pages, their heads are put right.
//
// All bytes of a head are known from elsewhere, so nothing is lost by that. They are written to pages in use, which nobody
// else reads, and need not be durable.
//
// A disk may also be unable to read a single's pages. bbolt would fault on them, so such a page is written anew, whole, which
// makes a disk use another place for it. That is done only when the single is removed: what can't be read now may be readable
// later, as where the way to the disk is cut for a while.

// ErrDisk says that the disk did not read or write the pages of a single. The others, and the file, are as they were.
var ErrDisk = errors.New("the disk fails")

// Pages are the file's pages as singles are read and mended.
type Pages interface {
	io.ReaderAt
	io.WriterAt
}

// PutSingle stores a value in a bucket of its own within b, both under the key, which must be new. The value must not change
// before the transaction has ended.
func PutSingle(b *bolt.Bucket, key, value []byte) error {
	own, err := b.CreateBucket(key)
	if err != nil {
		return err
	}
	if err := own.SetSequence(bolttree.SingleCounter(key, len(value))); err != nil {
		return err
	}
	return own.Put(key, value)
}

// DeleteSingle removes the bucket with that key, if there is one, whether the disk can read it or not. The error wraps
// ErrDisk where the disk can't write it either.
func (s *Sized) DeleteSingle(b *bolt.Bucket, key []byte) error {
	own := b.Bucket(key)
	if own == nil {
		return nil
	}
	if _, err := s.mend(own, key, true); err != nil {
		return err
	}
	return b.DeleteBucket(key)
}

// ReadSingle appends to buf the value in the bucket with that key, at most n bytes of it, or nothing if there is no such
// bucket. It may be called at any time within a transaction. Where the error wraps ErrDisk, the bytes before those that the
// disk can't read are appended.
func (s *Sized) ReadSingle(buf []byte, b *bolt.Bucket, key []byte, n int64) ([]byte, error) {
	own := b.Bucket(key)
	if own == nil {
		return buf, nil
	}
	single, ok := s.single(own, key)
	if !ok { // it stands within b, or Open has read its page
		value := own.Get(key)
		return append(buf, value[:min(n, int64(len(value)))]...), nil
	}
	n = min(n, single.Length)
	at := len(buf)
	buf = append(buf, make([]byte, n)...)
	got, err := s.Pages.ReadAt(buf[at:], single.At())
	return buf[:at+got], s.failed(err)
}

// failed returns what it means that pages in use could not be read or written: the disk fails, or the file was cut.
func (s *Sized) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return s.breakWith(err)
	}
	return fmt.Errorf("%w: %w", ErrDisk, err)
}

// SingleLength returns the length of the value in the bucket with that key, 0 if there is none.
func (s *Sized) SingleLength(b *bolt.Bucket, key []byte) int64 {
	own := b.Bucket(key)
	if own == nil {
		return 0
	}
	if single, ok := s.single(own, key); ok {
		return single.Length
	}
	return int64(len(own.Get(key)))
}

func (s *Sized) single(own *bolt.Bucket, key []byte) (bolttree.Single, bool) {
	return bolttree.AsSingle(key, uint64(own.Root()), own.Sequence(), s.pageSize)
}

// MustMend says whether MendSome has something to do. While it has, each transaction stores the list of free pages, however
// long.
func (s *Sized) MustMend() bool { return s.toMend && s.Free()/s.pageSize > maxFreelist }

// MendSome puts right the heads of the next n singles, and says how many were not.
// It begins with the first one, and ends behind the last. Where the error wraps ErrDisk, the next call begins with the single
// that can't be read.
func (s *Sized) MendSome(n int) (mended int, err error) {
	if err := s.Check(); err != nil {
		return 0, err // it may be another's pages that are there now
	}
	err = s.View(func(tx *bolt.Tx) error { // as long as it lasts, the pages of its singles are not used otherwise
		b := tx.Bucket(s.singles)
		c := b.Cursor()
		key, value := c.Seek(s.mendFrom)
		for ; key != nil && n > 0; key, value = c.Next() {
			n--
			if value == nil {
				was, err := s.mend(b.Bucket(key), key, false)
				if err != nil {
					return err
				}
				if was {
					mended++
				}
			}
			s.mendFrom = append(append(s.mendFrom[:0], key...), 0)
		}
		s.toMend = key != nil
		return nil
	})
	return mended, err
}

// mend puts the head of a single right, and says whether it was not. One that the disk can't read it gives up if it may.
func (s *Sized) mend(own *bolt.Bucket, key []byte, giveUp bool) (bool, error) {
	single, ok := s.single(own, key)
	if !ok {
		return false, nil
	}
	want, at := single.Head(), int64(single.Page)*s.pageSize
	head := make([]byte, len(want))
	_, err := s.Pages.ReadAt(head, at)
	if err = s.failed(err); errors.Is(err, ErrDisk) && giveUp {
		rest := -int64(len(want)) & (s.pageSize - 1) // to write a part of a page would mean to read it
		want, err = append(want, make([]byte, rest)...), nil
	}
	if err != nil || bytes.Equal(head, want) {
		return false, err
	}
	_, err = s.Pages.WriteAt(want, at)
	return true, s.failed(err)
}
