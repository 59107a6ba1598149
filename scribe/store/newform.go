package store

import (
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
)

// newActive ends the active file, which is in its committed state, with a rotation, and begins one in the log's form: it
// has another form, or it consists of frames and others have cut or changed it, and nothing could be read behind a frame that
// is not whole. All of that is committed at return. Until it is in the ledger, recovery undoes it; a file in the new form has
// no name until then.
func (l *logFile) newActive(r *recovered) error {
	s, from := l.store, l.entry.form
	if from != l.form {
		if err := l.setAside(); err != nil {
			return err
		}
	}
	var filled []filledFile
	if r.size > 0 {
		stamp, err := l.stamp()
		if err != nil {
			return err
		}
		if err := s.syncFile(r.file); err != nil { // it may have got its last newline just now
			return err
		}
		filled = append(filled, from.filled(stamp, r.size, r.sum))
		l.lastStamp = stamp
	}
	if err := failpoint.Reach(failpoint.SwitchRename); err != nil {
		return err
	}
	var err error
	if r.size > 0 {
		err = s.root.Rename(from.active(l.name), from.rotated(l.name, l.lastStamp))
	} else {
		err = s.root.Remove(from.active(l.name))
	}
	if err != nil {
		return err
	}
	if err := failpoint.Reach(failpoint.SwitchRenamed); err != nil {
		return err
	}
	if err := s.syncFolder(logname.Dir(l.name)); err != nil {
		return err
	}
	if err := l.enterNew(filled); err != nil {
		return err
	}
	s.archive.announce(l.name, filled)
	r.file.Close() // synced
	r.size = 0
	r.file, err = s.openFile(l.form.active(l.name), os.O_RDWR)
	s.folderChanged(logname.Dir(l.name))
	return err
}

// enterNew enters in the ledger that the log's active file is an empty one in the log's form, and what was filled before.
func (l *logFile) enterNew(filled []filledFile) error {
	if err := failpoint.Reach(failpoint.SwitchLedger); err != nil {
		return err
	}
	l.entry.form, l.entry.size, l.entry.begun, l.entry.rotated = l.form, 0, 0, l.lastStamp
	l.entry.sum, l.sum = emptySum, emptySum
	err := l.store.ledger.db.Batch(func(tx *bolt.Tx) error {
		err := l.store.ledger.changeEntry(tx, l.name, func(e *entry) { e.form, e.size, e.sum, e.begun, e.rotated = l.form, 0, emptySum, 0, l.lastStamp })
		return errors.Join(err, putFiles(tx, l.name, filled))
	})
	if err != nil {
		return err
	}
	return failpoint.Reach(failpoint.SwitchDone)
}

// setAside gives a file that stands where the log's active file is to be, and is not the log's, the name of a rotated one. It is
// not continued: where its last frame ends is not known, nor is it known to hold frames at all.
func (l *logFile) setAside() error {
	s, name := l.store, l.form.active(l.name)
	size, err := s.sizeBefore(name)
	if err != nil || size == 0 {
		return err
	}
	stamp, err := l.stamp()
	if err != nil {
		return err
	}
	// Ledger first: what is named beyond the last rotation that it knows passes for uncommitted, and is removed.
	if err := s.ledger.change(l.name, func(e *entry) { e.rotated = stamp }); err != nil {
		return err
	}
	l.entry.rotated, l.lastStamp = stamp, stamp
	aside := l.form.rotated(l.name, stamp)
	if err := s.root.Rename(name, aside); err != nil {
		return err
	}
	s.logger.Warn("a file stood where a log's new file is to be; it is kept under another name", "file", name, "bytes", size, "now", aside)
	return nil
}
