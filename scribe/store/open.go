package store

import (
	"errors"
	"fmt"
	"io/fs"

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
