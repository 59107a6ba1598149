package store

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"sync"

	"github.com/logscribe/logscribe/internal/logname"
)

// rotatedFile is a rotated file of some log. The archive holds those alone whose rotation is committed.
type rotatedFile struct {
	stamp     int64  // the time in its name, microseconds since 1970 UTC
	size      int64  // in bytes
	extension string // one of logname.Compressed, "" for a plain file
	after     int64  // compressing it failed: it is not tried before this time, in the unit of stamp
}

// name returns the path of the log's file below the root.
func (f rotatedFile) name(log string) string {
	return rotatedName(log, f.stamp, f.extension)
}

// shelf holds the rotated files of one log, oldest first.
type shelf struct {
	files  []rotatedFile
	bytes  int64  // of all files
	device uint64 // the volume they are on
}

// archive is what the store knows of the committed rotated files of all logs, for retention and compression. A scan of the
// folders fills it and finds what others have changed; in between it is told of each committed rotation. It is empty
// if no policy needs it.
type archive struct {
	news chan struct{} // capacity 1: files were announced

	inbox     sync.Mutex // guards announced; never held for long: the committer takes it
	announced map[string][]rotatedFile

	mu      sync.Mutex // guards what follows, and is held while files of the archive are renamed and deleted
	shelves map[string]*shelf
	working string // the temporary file that is being written, "" for none
}

func newArchive() *archive {
	return &archive{news: make(chan struct{}, 1), announced: map[string][]rotatedFile{}, shelves: map[string]*shelf{}}
}

// announce tells the archive of rotations that were committed.
func (a *archive) announce(log string, files []filledFile) {
	if a == nil || len(files) == 0 {
		return
	}
	a.inbox.Lock()
	for _, f := range files {
		a.announced[log] = append(a.announced[log], f.rotatedFile)
	}
	a.inbox.Unlock()
	select {
	case a.news <- struct{}{}:
	default:
	}
}

// receive puts the announced files on their shelves and returns their logs.
func (s *Store) receive() []string {
	a := s.archive
	a.inbox.Lock()
	announced := a.announced
	a.announced = map[string][]rotatedFile{}
	a.inbox.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	var logs []string
	for log, files := range announced {
		logs = append(logs, log)
		sh := a.shelves[log]
		if sh == nil {
			sh = &shelf{device: s.device(logname.Dir(log))}
			a.shelves[log] = sh
		}
		for _, f := range files {
			sh.add(f)
		}
	}
	return logs
}

// find returns where the file of that time stands, or belongs.
func (sh *shelf) find(stamp int64) (int, bool) {
	return slices.BinarySearchFunc(sh.files, stamp, func(f rotatedFile, stamp int64) int { return int(min(1, max(-1, f.stamp-stamp))) })
}

// add puts a file on the shelf unless it is there.
func (sh *shelf) add(f rotatedFile) {
	if i, found := sh.find(f.stamp); !found {
		sh.files = slices.Insert(sh.files, i, f)
		sh.bytes += f.size
	}
}

// remove takes the file at i off the shelf.
func (sh *shelf) remove(i int) {
	sh.bytes -= sh.files[i].size
	sh.files = slices.Delete(sh.files, i, i+1)
}

// scan looks at all folders of logs anew. What a crash has left of a compression is removed.
func (s *Store) scan(ctx context.Context) error {
	entries, err := s.ledger.entries()
	if err != nil {
		return err
	}
	folders := map[string]struct{}{}
	for log := range entries {
		folders[logname.Dir(log)] = struct{}{}
	}
	a := s.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	shelves := map[string]*shelf{}
	for dir := range folders {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if names, err := s.list(dir); err != nil {
			s.grumble("can't look for rotated files in a folder", "folder", dir, "error", err)
			a.keepShelves(dir, shelves)
		} else {
			s.scanFolder(dir, names, entries, shelves)
		}
	}
	a.shelves = shelves
	return nil
}

// keepShelves takes over what was known of a folder that can't be listed.
func (a *archive) keepShelves(dir string, shelves map[string]*shelf) {
	for log, sh := range a.shelves {
		if logname.Dir(log) == dir {
			shelves[log] = sh
		}
	}
}

// scanFolder puts the rotated files among the names on their logs' shelves. Names are sorted, so that the plain file
// comes before its compressed copy.
func (s *Store) scanFolder(dir string, names []string, entries map[string]entry, shelves map[string]*shelf) {
	device := s.device(dir)
	for _, name := range names {
		file := path.Join(dir, name)
		plain, temporary := fromTemporary(file)
		log, at, extension, ok := logname.SplitRotated(plain)
		e, known := entries[log]
		if !ok || !known || at.UnixMicro() > e.rotated {
			continue // none of ours, or not committed
		}
		if temporary {
			if file != s.archive.working {
				s.removeTemporary(file)
			}
			continue
		}
		sh := shelves[log]
		if sh == nil {
			sh = &shelf{device: device}
			shelves[log] = sh
		}
		f := rotatedFile{stamp: at.UnixMicro(), extension: extension}
		if i, found := sh.find(f.stamp); found && sh.files[i].extension == "" {
			continue
		}
		if s.measure(log, &f) {
			sh.add(f)
		}
	}
}

// measure finds the size of a file; it returns whether it exists and is one. A rotated file does not change, so that one which is
// known already is not looked at again.
func (s *Store) measure(log string, f *rotatedFile) bool {
	if old := s.archive.shelves[log]; old != nil {
		if i, found := old.find(f.stamp); found && old.files[i].extension == f.extension {
			*f = old.files[i]
			return true
		}
	}
	info, err := s.root.Lstat(f.name(log))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f.size = info.Size()
	return true
}

// removeTemporary deletes what a compression has left that did not come to its end.
func (s *Store) removeTemporary(file string) {
	if err := s.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.grumble("can't delete what an interrupted compression has left", "file", file, "error", err)
	}
}
