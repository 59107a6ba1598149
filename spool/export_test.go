package spool

import (
	"testing"

	bolt "go.etcd.io/bbolt"
)

// DeleteRecords deletes the records of the nth blocks, of two lines each, of the first log.
func DeleteRecords(t *testing.T, path string, numbers []int) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bolt.Tx) error {
		for _, n := range numbers {
			if err := tx.Bucket(bucketBlocks).DeleteBucket(blockKey(1, uint64(2*n-1))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
