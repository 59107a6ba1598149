package spool

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// checkpointsFirst breaks the promise that checkpoints are stored together with their blocks, and leaves a moment in
// which a kill shows it.
func (s *Spool) checkpointsFirst(group []*request) {
	for _, r := range group {
		err := s.db.Update(func(tx *bolt.Tx) error {
			for _, c := range r.batch.Checkpoints {
				if err := putCheckpoint(tx.Bucket(bucketCheckpoints), c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.logger.Error("can't store a checkpoint", "error", err)
		}
	}
	time.Sleep(20 * time.Millisecond)
}
