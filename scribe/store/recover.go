package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/sabotage"
)

// maxParallelRecoveries bounds the folders whose logs are looked at at the same time.
const maxParallelRecoveries = 16

// recoverAll brings every log of the ledger back to its committed state. A log that can't be recovered now is tried
// again at its first use; it does not keep the others from serving.
func (s *Store) recoverAll() error {
	entries, err := s.ledger.entries()
	if err != nil {
		return err
	}
	s.ledger.known.Store(int64(len(entries)))
	folders := map[string][]string{} // names of logs
	for name := range entries {
		dir := logname.Dir(name)
		folders[dir] = append(folders[dir], name)
	}
	var group errgroup.Group
	group.SetLimit(maxParallelRecoveries)
	for dir, names := range folders {
		group.Go(func() error { s.recoverFolder(dir, names, entries); return nil })
	}
	return group.Wait()
}

// recoverFolder does recoverAll's work for the logs in one folder. Most of them are in order, which takes one look at
// each: a Scribe may know a hundred thousand of them.
func (s *Store) recoverFolder(dir string, logs []string, entries map[string]entry) {
	folder, err := s.root.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return // none is there until somebody writes to it
	}
	var listing []string
	if err == nil {
		defer folder.Close()
		if slices.ContainsFunc(logs, func(log string) bool { return entries[log].reserved > entries[log].rotated }) {
			listing, err = s.list(dir)
		}
	}
	if err != nil {
		s.logger.Error("can't look into a folder of logs", "folder", dir, "error", err)
		return
	}
	for _, log := range logs {
		e := entries[log]
		stamps := uncommitted(log, listing, e)
		info, err := folder.Stat(path.Base(e.form.active(log)))
		if len(stamps) == 0 && (errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == e.size) {
			continue // in order, or not there until somebody writes to it
		}
		r, err := s.recoverLog(log, e, stamps)
		if err != nil {
			s.logger.Error("can't recover a log now", "log", log, "error", err)
			continue
		}
		r.file.Close()
	}
}

// uncommittedRotations returns the times, ascending, in the names of the log's rotated files that are not committed.
func (s *Store) uncommittedRotations(name string, e entry) ([]int64, error) {
	if e.reserved <= e.rotated {
		return nil, nil
	}
	names, err := s.list(logname.Dir(name))
	return uncommitted(name, names, e), err
}

// list returns the names in a folder below the root; none if it does not exist.
func (s *Store) list(dir string) ([]string, error) {
	f, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// uncommitted returns the times, ascending, in those of the names, which are sorted, that rotations of the log have made
// which are not committed.
func uncommitted(name string, names []string, e entry) []int64 {
	var stamps []int64
	for f := range rotatedAmong(names, name) {
		if e.uncommitted(f) {
			stamps = append(stamps, f.stamp)
		}
	}
	return stamps
}

// recovered is a log in its committed state.
type recovered struct {
	file      *os.File // the active file, at its end
	size      int64
	cut       int64 // bytes behind the committed ones that were removed
	committed int64 // as in the ledger, or less if others have cut the file
	sum       checksum
	lastStamp int64 // no rotated file may be named for this time or before
}

// recoverLog undoes the rotations with the given stamps, and cuts the active file back to its committed size. It may be
// interrupted at any point and begun again.
func (s *Store) recoverLog(name string, e entry, stamps []int64) (recovered, error) {
	active := e.form.active(name)
	r := recovered{lastStamp: e.rotated, committed: e.size}
	if n := len(stamps); n > 0 {
		r.lastStamp = stamps[n-1]
		for _, stamp := range slices.Backward(stamps[1:]) {
			if err := failpoint.Reach(failpoint.RecoverRemove); err != nil {
				return r, err
			}
			if err := s.root.Remove(e.form.rotated(name, stamp)); err != nil {
				return r, err
			}
		}
		if err := failpoint.Reach(failpoint.RecoverRename); err != nil {
			return r, err
		}
		if err := s.root.Rename(e.form.rotated(name, stamps[0]), active); err != nil {
			return r, err
		}
		if err := failpoint.Reach(failpoint.RecoverRenamed); err != nil {
			return r, err
		}
		if err := s.syncFolder(logname.Dir(name)); err != nil {
			return r, err
		}
	}
	if err := failpoint.Reach(failpoint.OpenCreate); err != nil {
		return r, err
	}
	file, err := s.openFile(active, os.O_RDWR)
	if err != nil {
		return r, err
	}
	s.folderChanged(logname.Dir(name))
	if r.size, r.cut, err = s.cutBack(file, name, e); err == nil {
		r.committed = min(r.committed, r.size)
		switch r.committed {
		case e.size:
			r.sum = e.sum
		case 0:
			r.sum = emptySum
		}
		if e.form == Plain {
			err = r.endLine(file)
		}
	}
	if err != nil {
		file.Close()
		return r, err
	}
	r.file = file
	return r, nil
}

// cutBack removes what stands in the active file beyond its committed size, and returns the size that is left and what
// was cut. A file that is shorter was changed by others: that is said, and the log goes on from what is there.
func (s *Store) cutBack(file *os.File, name string, e entry) (size, cut int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, 0, err
	}
	size = info.Size()
	if size < e.size {
		s.logger.Error("a file is shorter than what was committed: something else cut or replaced it, and what it held beyond is lost",
			"file", e.form.active(name), "bytes", size, "committed", e.size)
	}
	if size <= e.size || sabotage.On(sabotage.Cut) {
		return size, 0, nil
	}
	s.logger.Log(context.Background(), s.cutLevel(), "cut uncommitted bytes off", "file", e.form.active(name), "bytes", size-e.size, "committed", e.size)
	if err := failpoint.Reach(failpoint.RecoverCut); err != nil {
		return 0, 0, err
	}
	if err := file.Truncate(e.size); err != nil {
		return 0, 0, err
	}
	return e.size, size - e.size, failpoint.Reach(failpoint.RecoverDone)
}

// cutLevel is the level at which a cut is logged. One that follows a failed write has been announced, and on a full disk
// there are many of them.
func (s *Store) cutLevel() slog.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.complained.IsZero() || time.Since(s.complained) > complainEvery {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// endLine makes sure that a file which others left without a newline at its end gets one, so that the next line begins
// on its own.
func (r *recovered) endLine(file *os.File) error {
	if r.size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], r.size-1); err != nil && err != io.EOF {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	if _, err := file.Write([]byte{'\n'}); err != nil {
		return err
	}
	r.size++ // the checksum is not known, or of other bytes
	return nil
}
