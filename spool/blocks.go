package spool

import (
	bolt "go.etcd.io/bbolt"
)

// blocks is the bucket of blocks. Each block is a bucket of its own in it, named by the block's key, with the record as
// its only value, under that key again. So bbolt keeps a block that is larger than a quarter of a page in pages of its
// own, and smaller ones side by side: to remove a block, or to add one beside it, takes pages for the tree alone.
//
// Layout 1 had the record as a value of the bucket itself.
type blocks struct {
	*bolt.Bucket
	changed func(key []byte) // told before each change
}

// blocksOf returns the bucket of blocks, for reading.
func blocksOf(tx *bolt.Tx) blocks { return blocks{Bucket: tx.Bucket(bucketBlocks)} }

// record returns the record of a block from its key and value, as a cursor returns them. It is the transaction's memory;
// nil if there is none.
func (b blocks) record(key, value []byte) []byte {
	if key == nil || value != nil {
		return value
	}
	if own := b.Bucket.Bucket(key); own != nil {
		return own.Get(key)
	}
	return nil
}

// Get returns the record of the block with that key, nil if there is none.
func (b blocks) Get(key []byte) []byte { return b.record(key, b.Bucket.Get(key)) }

// Put stores a record, which must not change before the transaction has ended.
func (b blocks) Put(key, record []byte) error {
	b.changed(key)
	if b.Bucket.Get(key) != nil { // of layout 1
		return b.Bucket.Put(key, record)
	}
	own, err := b.Bucket.CreateBucketIfNotExists(key)
	if err != nil {
		return err
	}
	return own.Put(key, record)
}

// Delete removes the block with that key, if there is one.
func (b blocks) Delete(key []byte) error {
	b.changed(key)
	if b.Bucket.Get(key) == nil && b.Bucket.Bucket(key) != nil {
		return b.Bucket.DeleteBucket(key)
	}
	return b.Bucket.Delete(key)
}
