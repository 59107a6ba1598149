package spool

import (
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// blocks is the bucket of blocks. Each block is a bucket of its own in it, named by the block's key, with the record as
// its only value, under that key again: a single of package bolttree. So bbolt keeps a block that is larger than a quarter
// of a page in pages of its own, and smaller ones side by side: to remove a block, or to add one beside it, takes pages
// for the tree alone. Those pages are not looked at when the spool is opened. What is wrong with them shows when the block is
// read, and is found before bbolt meets it.
//
// Layout 1 had the record as a value of the bucket itself.
type blocks struct {
	bucket  *bolt.Bucket
	file    *boltfile.Sized
	changed func(key []byte) // told before each change
}

// inlineShare is the part of a page up to which bbolt keeps a bucket beside others.
const inlineShare = 4

// blocksOf returns the bucket of blocks, for reading.
func blocksOf(file *boltfile.Sized, tx *bolt.Tx) blocks {
	return blocks{bucket: tx.Bucket(bucketBlocks), file: file, changed: ignore}
}

// read appends to buf the record of a block, by its key and value as a cursor returns them: the first n bytes at most.
// What is damaged is returned as it is. The error wraps boltfile.ErrDisk where the disk can't read all of it; what stands
// before that is appended.
func (b blocks) read(buf, key, value []byte, n int64) ([]byte, error) {
	if value != nil {
		return append(buf, value[:min(n, int64(len(value)))]...), nil
	}
	return b.file.ReadSingle(buf, b.bucket, key, n)
}

// mapped returns how many bytes of the file come into memory when a record of n bytes is read, by its value as a cursor
// returns it: what has pages of its own is not read through bbolt, but its key is.
func (b blocks) mapped(value []byte, n int64) int64 {
	if value != nil {
		return n
	}
	return min(n, b.file.PageSize()/inlineShare)
}

// head returns what the record of a block begins with, by its key and value as a cursor returns them; where the disk can't
// read that, less of it.
func (b blocks) head(key, value []byte) ([]byte, error) {
	head, err := b.read(nil, key, value, recordHeader)
	return head, unlessDisk(err)
}

// Head returns what the record of the block with that key begins with, nil if there is no such block; where the disk can't
// read that, less of it.
func (b blocks) Head(key []byte) ([]byte, error) { return b.head(key, b.bucket.Get(key)) }

// Get returns the record of the block with that key, nil if there is none; where the disk can't read all of it, what stands
// before that.
func (b blocks) Get(key []byte) ([]byte, error) {
	record, err := b.read(nil, key, b.bucket.Get(key), maxRecord)
	return record, unlessDisk(err)
}

// unlessDisk returns no error where the disk can't read a block: it is damaged then, as one whose bytes are wrong.
func unlessDisk(err error) error {
	if errors.Is(err, boltfile.ErrDisk) {
		return nil
	}
	return err
}

// Size returns the size of the record of the block with that key in bytes, 0 if there is none.
func (b blocks) Size(key []byte) int64 {
	if value := b.bucket.Get(key); value != nil {
		return int64(len(value))
	}
	return b.file.SingleLength(b.bucket, key)
}

// Put stores a record, which must not change before the transaction has ended.
func (b blocks) Put(key, record []byte) error {
	b.changed(key)
	if b.bucket.Get(key) != nil { // of layout 1
		return b.bucket.Put(key, record)
	}
	return boltfile.PutSingle(b.bucket, key, record)
}

// Delete removes the block with that key, if there is one.
func (b blocks) Delete(key []byte) error {
	b.changed(key)
	if b.bucket.Get(key) != nil { // of layout 1
		return b.bucket.Delete(key)
	}
	return b.file.DeleteSingle(b.bucket, key)
}
