package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
)

// open reads the log's state from the ledger, brings the files back to it and opens the active one.
func (l *logFile) open() error {
	s := l.store
	e, sequences, known, err := s.ledger.log(l.name)
	if err == nil && !known {
		e, err = l.enter()
	}
	if err == nil {
		err = failpoint.Reach(failpoint.OpenFolder)
	}
	if err == nil {
		err = s.makeFolders(logname.Dir(l.name))
	}
	if err != nil {
		return err
	}
	stamps, err := s.uncommittedRotations(l.name, e)
	if err != nil {
		return err
	}
	begun := e.begun
	if begun == 0 {
		begun = s.lastWritten(e.form.active(l.name))
	}
	r, err := s.recoverLog(l.name, e, stamps)
	if err != nil {
		return err
	}
	if r.committed != e.size && !l.tampered {
		l.noteTampering()
	}
	if r.cut > 0 && l.opened && !l.unclean { // when it was closed, nothing of it was uncommitted
		l.noteTampering()
		s.logger.Error("something else has written to a file while it was closed here: it is cut off", "file", e.form.active(l.name), "bytes", r.cut)
	}
	l.entry, l.lastStamp, l.begun, l.sum = e, r.lastStamp, begun, r.sum
	if err := l.settleActive(&r); err != nil {
		r.file.Close()
		return err
	}
	s.open.Add(1)
	l.file, l.size, l.tampered, l.opened = r.file, r.size, false, true
	l.touched, l.reached, l.unclean = map[block.Producer]struct{}{}, nil, false
	l.marks = make(map[block.Producer]mark, len(sequences))
	for p, sequence := range sequences {
		l.marks[p] = mark{appended: sequence, committed: sequence}
	}
	return nil
}

// enter enters a log that the ledger does not know, with what its file may hold already: from then on, what stands in the
// file beyond the ledger's size is known to be uncommitted. A plain file that was there is continued, if only until the
// log gets another form; a compressed one is not, see newActive.
func (l *logFile) enter() (entry, error) {
	s, e := l.store, entry{form: Plain}
	var err error
	if e.size, err = s.sizeBefore(e.form.active(l.name)); err != nil {
		return e, err
	}
	e.sum.known = e.size == 0
	if l.form == Frames && e.size == 0 {
		size, err := s.sizeBefore(l.form.active(l.name))
		if err != nil {
			return e, err
		}
		if size == 0 {
			e.form = l.form
		}
	}
	if err := failpoint.Reach(failpoint.OpenEnter); err != nil {
		return e, err
	}
	return e, s.ledger.change(l.name, func(new *entry) { *new = e })
}

// settleActive makes sure that the recovered active file can be appended to, or gives the log another one in its place. It
// keeps r.file open, or replaces it.
func (l *logFile) settleActive(r *recovered) error {
	cut := r.committed != l.entry.size // by others
	if l.entry.form != l.form || l.form == Frames && (cut || l.tampered) && r.size > 0 {
		return l.newActive(r)
	}
	if cut { // from here on, what is there counts
		l.entry.size, l.entry.sum = r.committed, r.sum
		return l.store.ledger.change(l.name, func(e *entry) { e.size, e.sum = r.committed, r.sum })
	}
	return nil
}

// newActive ends the active file, which is in its committed state, with a rotation, and begins one in the log's form: it
// has another form, or it consists of frames and others have cut or changed it, and nothing could be read behind a frame that
// is not whole. All of that is committed at
// return. Until it is in the ledger, recovery undoes it; a file in the new form has no name until then.
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
		err := changeEntry(tx, l.name, func(e *entry) { e.form, e.size, e.sum, e.begun, e.rotated = l.form, 0, emptySum, 0, l.lastStamp })
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

// lastWritten returns when something was last written to a file, in microseconds since 1970 UTC; now if that can't be told.
// For an active file that an earlier release began, or another program, it stands for its beginning.
func (s *Store) lastWritten(file string) int64 {
	if info, err := s.root.Stat(file); err == nil {
		return info.ModTime().UnixMicro()
	}
	return s.now().UnixMicro()
}

// sizeBefore returns the size of a file that may stand there already, 0 if none does. It must not be mistaken: what
// stands beyond it is taken for uncommitted.
func (s *Store) sizeBefore(file string) (int64, error) {
	info, err := s.root.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is not a regular file, but the log's file is to be there: move it away", file)
	}
	return info.Size(), nil
}
