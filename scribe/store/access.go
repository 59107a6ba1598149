package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/logscribe/logscribe/internal/logname"
)

// Access is whom the files and folders of logs belong to. The zero value makes them with the modes 0640 and 0750 and
// leaves their owner to the system. The process's umask applies to the modes. What exists already keeps its mode, and
// folders that exist keep their owner.
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
	if err := os.MkdirAll(root, a.FolderMode); err != nil {
		return err
	}
	state := filepath.Join(root, logname.StateDir)
	if err := os.Mkdir(state, defaultFolderMode); err != nil && !errors.Is(err, fs.ErrExist) { // nobody else's
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
