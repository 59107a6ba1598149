package spool

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// What is appended, with a time, to names.
const (
	replacedSuffix = ".replaced-" // of a file that somebody has put at the spool's path
	leftSuffix     = ".left-"     // of the spool, when the spool of another agent stands at its path
)

// lookForFile looks whether the path still leads to the file. If somebody has removed or replaced it, the spool goes on
// with the file that it has open, which ends with the process: so it begins to copy that to the path.
func (w *writer) lookForFile() {
	at, err := w.file.IsAt(w.path)
	if err == nil {
		w.astray = !at
	}
	if at {
		w.astraySaid.end(w.logger, "the spool's file is at its path again", "path", w.path)
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
	w.astraySaid.report(w.logger, "the spool's file was removed or replaced while the agent uses it; a copy is put in its place, and "+
		"until that is done, its lines are lost if the agent is killed", args...)
}

// target returns where the copy of the file goes: to the spool's path, from which what somebody has put there is moved
// out of the way; or, if that is the spool of another agent, beside it.
func (w *writer) target() (string, error) {
	if at, err := w.file.IsAt(w.path); at || err != nil {
		return w.path, err
	}
	if _, err := os.Lstat(w.path); errors.Is(err, fs.ErrNotExist) {
		return w.path, nil
	}
	now := time.Now().UTC().Format("20060102T150405.000000Z")
	if w.isForeign(w.path) {
		return w.path + leftSuffix + now, nil
	}
	aside := w.path + replacedSuffix + now
	if err := os.Rename(w.path, aside); err != nil {
		return "", err
	}
	w.logger.Warn("another file stood at the spool's path: it was moved aside", "path", w.path, "to", aside)
	return w.path, nil
}

// isForeign says whether the file at the path is the spool of another agent: one uses it, or it has another producer.
func (w *writer) isForeign(path string) bool {
	file, inUse, err := boltfile.OpenForReading(path)
	if err != nil {
		return false
	}
	defer file.Close()
	if inUse != nil {
		return true
	}
	tree, err := newestTree(file)
	if err != nil {
		return false
	}
	e, ok := tree.Get(string(bucketMeta), keyProducer)
	if !ok {
		return false
	}
	producer, err := e.Value()
	own := w.Producer()
	return err == nil && !bytes.Equal(producer, own[:])
}

// moved takes note that the spool's file has another path now.
func (w *writer) moved(path string) {
	if path == w.path {
		return
	}
	w.logger.Error("another agent's spool stands where this one was: this one goes on beside it; start an agent with it to send "+
		"what is left in it", "spool", path, "other", w.path)
	w.swap.Lock()
	w.path = path
	w.swap.Unlock()
}
