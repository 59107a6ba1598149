package spool

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// Checkpoint is how far a source has been read. To the spool, key and value are opaque; a source begins its keys with
// its own prefix. A nil value removes the key.
type Checkpoint struct {
	Key   string
	Value []byte
}

// Checkpoints returns the checkpoints whose keys begin with prefix.
func (s *Spool) Checkpoints(prefix string) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := s.EachCheckpoint(prefix, func(key string, value []byte) error {
		all[key] = bytes.Clone(value)
		return nil
	})
	return all, err
}

// EachCheckpoint calls visit for each checkpoint whose key begins with prefix, in the order of keys, and ends with visit's
// first error. The value is valid until visit returns. The file can't be replaced meanwhile, for which the writer may have
// to wait: so visit must be quick. It must not use the spool, or both may wait for ever.
func (s *Spool) EachCheckpoint(prefix string, visit func(key string, value []byte) error) error {
	return s.view(func(tx *bolt.Tx) error {
		read, c := 0, tx.Bucket(bucketCheckpoints).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if err := visit(string(k), v); err != nil {
				return err
			}
			if read += len(k) + len(v); read >= maxMapped/4 { // with what else is in their pages, about maxMapped
				read = 0
				if err := s.file.ForgetWithin(tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *writer) putCheckpoint(tx *bolt.Tx, c Checkpoint) error {
	b := tx.Bucket(bucketCheckpoints)
	w.noteChanges(bucketCheckpoints)([]byte(c.Key))
	if c.Value == nil {
		return b.Delete([]byte(c.Key))
	}
	return b.Put([]byte(c.Key), c.Value)
}
