package spool

import (
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// peekTimeout is how long ReadCheckpoints waits for an agent that holds the spool.
const peekTimeout = 100 * time.Millisecond

// ReadCheckpoints returns the checkpoints of the spool at path whose keys begin with prefix, and changes nothing. The
// error wraps fs.ErrNotExist when there is no spool, ErrLocked while an agent holds it.
func ReadCheckpoints(path, prefix string) (map[string][]byte, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	db, err := bolt.Open(path, 0, &bolt.Options{ReadOnly: true, Timeout: peekTimeout})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("read spool %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("read spool %s: %w", path, err)
	}
	defer db.Close()
	return checkpoints(db.View, prefix)
}
