package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// replacedSuffix and a time are appended to the name of a file that somebody has put at the spool's path.
const replacedSuffix = ".replaced-"

// lookForFile looks whether the path still leads to the file. If somebody has removed or replaced it, the spool goes on
// with the file that it has open, which ends with the process: so it begins to copy that to the path.
func (w *writer) lookForFile() {
	at, err := w.file.IsAt(w.path)
	if err == nil {
		w.lost = !at
	}
	if at {
		w.loss.end(w.logger, "the spool's file is at its path again", "path", w.path)
		return
	}
	if err == nil && w.compaction == nil {
		if err = os.MkdirAll(filepath.Dir(w.path), 0o750); err == nil {
			err = w.beginCompaction()
		}
		if err != nil {
			w.endCompaction()
		}
	}
	args := []any{"path", w.path, "lines", w.Lines()}
	if err != nil {
		args = append(args, "error", err)
	}
	w.loss.report(w.logger, "the spool's file was removed or replaced while the agent uses it; a copy is put in its place, and "+
		"until that is done, its lines are lost if the agent is killed", args...)
}

// moveAside moves what somebody has put at the spool's path out of the way, unless another process uses it.
func (w *writer) moveAside() error {
	if at, err := w.file.IsAt(w.path); at || err != nil {
		return err
	}
	if _, err := os.Lstat(w.path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	switch db, err := boltfile.Open(w.path); {
	case errors.Is(err, boltfile.ErrLocked):
		return err
	case err == nil:
		if err := db.Close(); err != nil {
			return err
		}
	}
	aside := w.path + replacedSuffix + time.Now().UTC().Format("20060102T150405.000000Z")
	if err := os.Rename(w.path, aside); err != nil {
		return err
	}
	w.logger.Warn("another file stood at the spool's path: it was moved aside", "path", w.path, "to", aside)
	return nil
}
