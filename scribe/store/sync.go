package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/sabotage"
)

// Durability says what committed lines survive.
type Durability string

// The durabilities.
const (
	// PowerLoss: the end of the process, the crash of the system and the loss of power.
	PowerLoss Durability = "power-loss"
	// ProcessCrash: the end of the process, whatever ends it. Nothing is synced. After a crash of the system or a loss
	// of power lines are missing that were acknowledged, and the ledger may be damaged.
	ProcessCrash Durability = "process-crash"
)

// syncFile makes the bytes and size of a file with lines durable. After an error the log must fail, which closes the
// descriptor and has all that was not committed asked for again.
func (s *Store) syncFile(f *os.File) error {
	if err := failpoint.Reach(failpoint.CommitFile); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	if err := s.datasync(f); err != nil {
		return err
	}
	s.progressed()
	return failpoint.Reach(failpoint.CommitSynced)
}

// datasync makes the file's bytes and size durable. An error is final for this descriptor: the kernel may have dropped
// what it could not write, and a second try would find nothing left to do and succeed.
func (s *Store) datasync(f *os.File) error {
	if s.durability == ProcessCrash || sabotage.On(sabotage.FileSync) {
		return nil
	}
	defer s.stats.syncs.Since(time.Now())
	return s.fdatasync(f)
}

// syncFolder makes the folder's entries durable.
func (s *Store) syncFolder(dir string) error {
	if s.durability == ProcessCrash || sabotage.On(sabotage.FolderSync) {
		return nil
	}
	if err := failpoint.Reach(failpoint.CommitFolder); err != nil {
		return err
	}
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
