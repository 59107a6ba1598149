package boltfile

import (
	"bytes"
	"errors"

	bolt "go.etcd.io/bbolt"
)

// The heads of singles are put right before bbolt looks at their pages. It does so when one is removed; and where it keeps no
// list of the free pages in the file, it looks at all pages in use when a transaction fails.
//
// All bytes of a head are known from elsewhere, so nothing is lost by that. They are written to pages in use, and need not be
// durable; a process that reads the file meanwhile finds them damaged or right.
//
// A disk may also be unable to read a single's pages. bbolt would fault on them, so such a page is written anew, whole, which
// makes a disk use another place for it. That is done only when the single is removed: what can't be read now may be readable
// later, as where the way to the disk is cut for a while.

// MustMend says whether MendSome has something to do. While it has, each transaction stores the list of free pages, however
// long.
func (s *Sized) MustMend() bool { return s.toMend && s.Free()/s.pageSize > maxFreelist }

// MendSome puts right the heads of the next n singles, and says how many were not. It begins with the first one, and ends
// behind the last. Where the error wraps ErrDisk, the next call begins with the single that can't be read.
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
