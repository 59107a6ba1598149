package store

import (
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/logscribe/logscribe/internal/logname"
)

// volume is lines and their bytes as they stand in a file.
type volume struct{ lines, bytes int64 }

var newline = []byte{'\n'}

// committed counts what a round has committed of a log.
func (c *counters) committed(v volume) {
	c.committedLines.Add(v.lines)
	c.committedBytes.Add(v.bytes)
}

// trialName is the file that Try writes. One that a crash has left is written over by the next.
const (
	trialName = logname.StateDir + "/trial"
	trialSize = 4096
)

// Try writes to the volume of the root, and returns an error if that takes no lines, or if the ledger can't be written. It
// makes a small file beside the ledger, and removes it.
func (s *Store) Try() error {
	s.mu.Lock()
	failed := s.ledgerFailed
	s.mu.Unlock()
	if failed {
		return fmt.Errorf("the ledger %s can't be written", path.Join(s.path, ledgerName))
	}
	f, err := s.root.OpenFile(trialName, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("can't write below %s: %w", s.path, err)
	}
	_, err = f.Write(make([]byte, trialSize))
	if err := errors.Join(err, f.Close(), s.root.Remove(trialName)); err != nil {
		return fmt.Errorf("can't write below %s: %w", s.path, err)
	}
	return nil
}

// progressed notes that the round that runs has synced a file: it may have very many.
func (s *Store) progressed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runningSince = time.Now()
}

// Busy returns for how long the round that runs has synced no further file; 0 if none runs.
func (s *Store) Busy() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return 0
	}
	return time.Since(s.runningSince)
}

// Space returns how many bytes of the root's volume are free for this process, and how many it has.
func (s *Store) Space() (free, total int64, err error) { return s.volume(".") }
