package spool

import (
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// blocks is the bucket of blocks. Each block is a bucket of its own in it, named by the block's key, with the record as
// its only value, under that key again: a single of package boltfile. So bbolt keeps a block that is larger than a quarter
// of a page in pages of its own, and smaller ones side by side: to remove a block, or to add one beside it, takes pages
// for the tree alone. Nor are those pages looked at until the block is read: of a damaged one that says nothing but that it
// can't be sent.
//
// Layout 1 had the record as a value of the bucket itself.
type blocks struct {
	*bolt.Bucket
	file    *boltfile.Sized
	changed func(key []byte) // told before each change
}

// blocksOf returns the bucket of blocks, for reading.
func blocksOf(file *boltfile.Sized, tx *bolt.Tx) blocks {
	return blocks{Bucket: tx.Bucket(bucketBlocks), file: file, changed: ignore}
}

// read appends to buf the record of a block, by its key and value as a cursor returns them: the first n bytes at most.
// What is damaged is returned as it is; there is an error only if the file can't be read.
func (b blocks) read(buf, key, value []byte, n int64) ([]byte, error) {
	if value != nil {
		return append(buf, value[:min(n, int64(len(value)))]...), nil
	}
	return b.file.ReadSingle(buf, b.Bucket, key, n)
}

// Head returns what the record of the block with that key begins with, nil if there is no such block.
func (b blocks) Head(key []byte) ([]byte, error) {
	return b.read(nil, key, b.Bucket.Get(key), recordHeader)
}

// Get returns the record of the block with that key, nil if there is none.
func (b blocks) Get(key []byte) ([]byte, error) {
	return b.read(nil, key, b.Bucket.Get(key), maxRecord)
}

// Size returns the size of the record of the block with that key in bytes, 0 if there is none.
func (b blocks) Size(key []byte) int64 {
	if value := b.Bucket.Get(key); value != nil {
		return int64(len(value))
	}
	return b.file.SingleLength(b.Bucket, key)
}

// Put stores a record, which must not change before the transaction has ended.
func (b blocks) Put(key, record []byte) error {
	b.changed(key)
	if b.Bucket.Get(key) != nil { // of layout 1
		return b.Bucket.Put(key, record)
	}
	return boltfile.PutSingle(b.Bucket, key, record)
}

// Delete removes the block with that key, if there is one.
func (b blocks) Delete(key []byte) error {
	b.changed(key)
	if b.Bucket.Get(key) != nil { // of layout 1
		return b.Bucket.Delete(key)
	}
	return b.file.DeleteSingle(b.Bucket, key)
}
