package spool

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// checkpointsFirst breaks the promise that checkpoints are stored together with their blocks, and leaves a moment in
// which a kill shows it.
func (w *writer) checkpointsFirst(group []*request) {
	for _, r := range group {
		err := w.disk.update(w.file, w.file.End(), func(tx *bolt.Tx) error {
			for _, c := range r.batch.Checkpoints {
				if err := w.putCheckpoint(tx, c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			w.logger.Error("can't store a checkpoint", "error", err)
		}
	}
	time.Sleep(20 * time.Millisecond)
}
