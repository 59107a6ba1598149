package boltfile

import (
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
//   - before it looks at them, their heads are put right: see mend.go.

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
