package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/logscribe/logscribe/internal/logname"
)

// Policy says how the files of a log are kept. The zero value lets one file grow for ever.
type Policy struct {
	// MaxSize bounds each file in bytes; no limit if it is not above zero.
	MaxSize int64
	// RotateEvery is the length of the periods of the wall clock, of which each has files of its own; see CheckPeriod.
	// No rotation by time if it is not above zero.
	RotateEvery time.Duration

	// KeepAge, KeepFiles and KeepBytes bound the rotated files of a log: their age since their rotation, their number,
	// and the bytes that they take together. Beyond one of them the oldest is deleted. No limit if not above zero.
	KeepAge   time.Duration
	KeepFiles int
	KeepBytes int64

	// Compression is how rotated files are compressed once CompressAfter has passed since their rotation.
	Compression   Compression
	CompressAfter time.Duration
}

// keeps says whether the policy bounds the rotated files.
func (p Policy) keeps() bool { return p.KeepAge > 0 || p.KeepFiles > 0 || p.KeepBytes > 0 }

// Rule is the policy of the logs that match a pattern.
type Rule struct {
	Match  string // a glob of names of logs: * is any part of an element, ** any elements, as in web/**
	Policy Policy
}

// CheckMatch returns an error that quotes the pattern if it can't be one of a Rule.
func CheckMatch(pattern string) error {
	if !doublestar.ValidatePattern(pattern) {
		return fmt.Errorf("bad pattern %q: write a glob of names of logs, such as web/* or **/access", pattern)
	}
	return nil
}

// policy returns the policy of the log: that of the first rule that matches, or the general one.
func (s *Store) policy(log string) *Policy {
	for i := range s.rules {
		if doublestar.MatchUnvalidated(s.rules[i].Match, log) {
			return &s.rules[i].Policy
		}
	}
	return &s.general
}

// anyPolicy says whether at least one policy has the property.
func (s *Store) anyPolicy(has func(*Policy) bool) bool {
	if has(&s.general) {
		return true
	}
	for i := range s.rules {
		if has(&s.rules[i].Policy) {
			return true
		}
	}
	return false
}

// Access is whom the files and folders belong to that a store makes. The zero value gives them the modes 0640 and 0750
// and leaves their owner to the system. What exists already keeps its mode. The process's umask applies to the modes.
type Access struct {
	FileMode, FolderMode fs.FileMode // 0 is the default
	Chown                bool        // UID and GID count
	UID, GID             int         // -1 leaves it to the system
}

const (
	defaultFileMode   = 0o640
	defaultFolderMode = 0o750
)

func (a Access) withDefaults() Access {
	if a.FileMode == 0 {
		a.FileMode = defaultFileMode
	}
	if a.FolderMode == 0 {
		a.FolderMode = defaultFolderMode
	}
	return a
}

// makeRoot makes the root folder and that of the store's own state in it.
func (a Access) makeRoot(root string) error {
	_, err := os.Stat(root)
	made := errors.Is(err, fs.ErrNotExist)
	state := filepath.Join(root, logname.StateDir)
	if err := os.MkdirAll(state, a.FolderMode); err != nil {
		return err
	}
	if !a.Chown {
		return nil
	}
	if made {
		return a.try(root)
	}
	probe, err := os.MkdirTemp(state, "owner-") // a mistake is told at the start, not when lines come
	if err != nil {
		return err
	}
	return errors.Join(a.try(probe), os.Remove(probe))
}

// try gives away a folder.
func (a Access) try(folder string) error {
	if err := os.Lchown(folder, a.UID, a.GID); err != nil {
		return fmt.Errorf("files can't be given to owner %d and group %d: %w; run as root, or leave owner and group out", a.UID, a.GID, err)
	}
	return nil
}

// own gives a file that was opened for writing to its owner, so that a crash after its making does no harm.
func (s *Store) own(file *os.File) error {
	if !s.access.Chown {
		return nil
	}
	return file.Chown(s.access.UID, s.access.GID)
}

// openFile opens a file below the root for writing at its end. One that it makes gets the configured mode and owner.
func (s *Store) openFile(name string, flags int) (*os.File, error) {
	file, err := s.root.OpenFile(name, flags|os.O_CREATE|os.O_APPEND, s.access.FileMode)
	if err != nil {
		return nil, err
	}
	if err := s.own(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// makeFolders makes the folder dir and those above it, below the root.
func (s *Store) makeFolders(dir string) error {
	if dir == "." {
		return nil
	}
	if err := s.makeFolders(path.Dir(dir)); err != nil {
		return err
	}
	s.folderChanged(path.Dir(dir))
	err := s.root.Mkdir(dir, s.access.FolderMode)
	if err == nil && s.access.Chown {
		err = s.root.Lchown(dir, s.access.UID, s.access.GID)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}
