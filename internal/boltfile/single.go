package boltfile

import (
	"bytes"
	"fmt"

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

// PutSingle stores a value in a bucket of its own within b, both under the key. The value must not change before the
// transaction has ended.
func PutSingle(b *bolt.Bucket, key, value []byte) error {
	own, err := b.CreateBucketIfNotExists(key)
	if err != nil {
		return err
	}
	if err := own.SetSequence(bolttree.SingleCounter(key, len(value))); err != nil {
		return err
	}
	return own.Put(key, value)
}

// DeleteSingle removes the bucket with that key, if there is one.
func (s *Sized) DeleteSingle(b *bolt.Bucket, key []byte) error {
	own := b.Bucket(key)
	if own == nil {
		return nil
	}
	if _, err := s.mend(own, key); err != nil {
		return err
	}
	return b.DeleteBucket(key)
}

// ReadSingle appends to buf the value in the bucket with that key, at most n bytes of it, or nothing if there is no such
// bucket. It may be called at any time within a transaction.
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
	if _, err := s.file.ReadAt(buf[at:], single.At()); err != nil {
		return buf[:at], s.breakWith(err)
	}
	return buf, nil
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

// MustMend says whether MendSome has something to do: until then each transaction stores the list of free pages, however
// long.
func (s *Sized) MustMend() bool { return s.unseen && s.Free()/s.pageSize > maxFreelist }

// MendSome puts right the heads of the next n singles of a bucket, the only one that has some, and says how many were not.
// It begins with the first one, and ends behind the last.
func (s *Sized) MendSome(bucket []byte, n int) (mended int, err error) {
	if err := s.Check(); err != nil {
		return 0, err // it may be another's pages that are there now
	}
	err = s.View(func(tx *bolt.Tx) error { // as long as it lasts, the pages of its singles are not used otherwise
		b := tx.Bucket(bucket)
		c := b.Cursor()
		key, value := c.Seek(s.seen)
		for ; key != nil && n > 0; key, value = c.Next() {
			n--
			s.seen = append(append(s.seen[:0], key...), 0)
			if value != nil {
				continue
			}
			was, err := s.mend(b.Bucket(key), key)
			if err != nil {
				return err
			}
			if was {
				mended++
			}
		}
		s.unseen = key != nil
		return nil
	})
	return mended, err
}

// mend puts the head of a single right, and says whether it was not.
func (s *Sized) mend(own *bolt.Bucket, key []byte) (bool, error) {
	single, ok := s.single(own, key)
	if !ok {
		return false, nil
	}
	want, at := single.Head(), int64(single.Page)*s.pageSize
	head := make([]byte, len(want))
	if n, _ := s.file.ReadAt(head, at); bytes.Equal(head[:n], want) {
		return false, nil
	}
	if _, err := s.file.WriteAt(want, at); err != nil {
		return true, s.breakWith(fmt.Errorf("page %d is damaged: %w", single.Page, err))
	}
	return true, nil
}
