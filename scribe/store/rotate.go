package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
)

// reservation is how far ahead of a rotation the names of further ones are reserved.
const reservation = 10 * time.Second

// maxFull is the number of rotated files of one log that may stay open until the next round syncs them.
const maxFull = 32

// extensions are those that a rotated file may have behind its name.
var extensions = append([]string{""}, logname.Compressed...)

// rotate renames the active file and starts a new one. Both become durable with the next round.
func (l *logFile) rotate() error {
	stamp, err := l.stamp()
	if err != nil {
		return err
	}
	root, active := l.store.root, l.form.active(l.name)
	if err := failpoint.Reach(failpoint.RotateRename); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if err := root.Rename(active, l.form.rotated(l.name, stamp)); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	l.lastStamp = stamp
	l.filled = append(l.filled, l.form.filled(stamp, l.size, l.sum))
	if err := failpoint.Reach(failpoint.RotateRenamed); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if len(l.full) >= maxFull {
		if err := l.syncFull(); err != nil {
			return err
		}
	}
	l.full = append(l.full, l.file)
	l.file, l.size, l.sum = nil, 0, emptySum
	file, err := l.createActive(active)
	if err != nil {
		l.store.open.Add(-1)
		return fmt.Errorf("rotate: %w", err)
	}
	l.file = file
	l.store.folderChanged(logname.Dir(l.name))
	return nil
}

// createActive makes the new active file.
func (l *logFile) createActive(name string) (*os.File, error) {
	if err := failpoint.Reach(failpoint.RotateCreate); err != nil {
		return nil, err
	}
	file, err := l.store.openFile(name, os.O_EXCL|os.O_WRONLY)
	if err != nil {
		return nil, err
	}
	if err := failpoint.Reach(failpoint.RotateCreated); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// syncFull syncs and closes the rotated files ahead of the next round.
func (l *logFile) syncFull() error {
	for len(l.full) > 0 {
		if err := failpoint.Reach(failpoint.RotateFull); err != nil {
			return err
		}
		if err := l.store.syncFile(l.full[0]); err != nil {
			return err
		}
		if l.inRound { // that round may hold this very file
			l.synced = append(l.synced, l.full[0])
		} else if err := l.full[0].Close(); err != nil {
			return err
		}
		l.full = l.full[1:]
	}
	return nil
}

// stamp returns the time for the next rotated file's name, in microseconds since 1970 UTC: now, or just after the last
// one if the clock has not moved on. It has been reserved, and no such file exists.
func (l *logFile) stamp() (int64, error) {
	stamp := max(l.store.now().UnixMicro(), l.lastStamp+1)
	for {
		used, err := l.store.isUsed(logname.Rotated(l.name, time.UnixMicro(stamp)))
		if err != nil {
			return 0, fmt.Errorf("rotate: %w", err)
		}
		if !used {
			break
		}
		stamp++
	}
	if stamp <= l.entry.reserved {
		return stamp, nil
	}
	if err := failpoint.Reach(failpoint.RotateReserve); err != nil {
		return 0, fmt.Errorf("reserve names for rotated files: %w", err)
	}
	var stored entry
	err := l.store.ledger.change(l.name, func(e *entry) {
		e.reserved = max(e.reserved, stamp+reservation.Microseconds())
		if e.rotated == 0 { // files that are older than the ledger must not pass for uncommitted ones
			e.rotated = stamp - 1
		}
		stored = *e
	})
	if err != nil {
		return 0, fmt.Errorf("reserve names for rotated files: %w", err)
	}
	l.entry.reserved, l.entry.rotated = stored.reserved, stored.rotated
	return stamp, nil
}

// isUsed says whether a rotated file of that name exists, compressed or not.
func (s *Store) isUsed(file string) (bool, error) {
	for _, extension := range extensions {
		_, err := s.root.Lstat(file + extension)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}
