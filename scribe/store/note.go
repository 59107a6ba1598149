package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// note is where the store remembers, outside the root, which root it has found at a path. If the file system of the root
// is not mounted, the folder beneath is empty or holds something else; without the note the store would begin anew
// there, and fill the wrong disk.
//
// It is a file of one line: the identity of the root, a space and the path, for people.
type note struct {
	path string // absolute, of the root
	file string // "" remembers nothing
}

// noteFor returns the note of a root, kept in folder; "" keeps none.
func noteFor(folder, path string) (note, error) {
	if folder == "" {
		return note{}, nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return note{}, fmt.Errorf("find the root folder: %w", err)
	}
	return note{path: abs, file: filepath.Join(folder, fmt.Sprintf("%.16x", sha256.Sum256([]byte(abs))))}, nil
}

// expected returns the identity of the root that was at the path, uuid.Nil if there is no note that can be read.
func (n note) expected() (uuid.UUID, error) {
	if n.file == "" {
		return uuid.Nil, nil
	}
	text, err := os.ReadFile(n.file)
	if err != nil {
		return uuid.Nil, nil // write tells why there can be none
	}
	first, _, _ := strings.Cut(string(text), " ")
	id, err := uuid.Parse(first)
	if err != nil {
		return uuid.Nil, fmt.Errorf("%s should tell which root belongs to %s, and does not: remove the file", n.file, n.path)
	}
	return id, nil
}

// noted returns the note of a root and the identity that it tells of. The error wraps ErrOtherRoot when there is no ledger
// at all where it tells of one.
func noted(notes, path string) (n note, want uuid.UUID, err error) {
	if n, err = noteFor(notes, path); err != nil {
		return n, want, err
	}
	if want, err = n.expected(); err != nil {
		return n, want, err
	}
	if _, err := os.Stat(filepath.Join(path, ledgerName)); want != uuid.Nil && errors.Is(err, fs.ErrNotExist) {
		return n, want, n.refuse(want, "holds none")
	}
	return n, want, nil
}

// CheckRoot returns the error with which Open would refuse a path for what Options.Notes tells of it, as far as that is
// known without opening the ledger. It changes nothing.
func CheckRoot(path, notes string) error {
	_, _, err := noted(notes, path)
	return err
}

// refuse returns the error for a root that is not the one that was there; found says what is.
func (n note) refuse(want uuid.UUID, found string) error {
	return fmt.Errorf("%w: %s held the ledger of root %s before, and now %s; is its file system not mounted? If this is meant, remove %s",
		ErrOtherRoot, n.path, want, found, n.file)
}

// write writes the note. That may fail: it helps to notice a mistake, and nothing rests on it.
func (n note) write(root uuid.UUID, logger *slog.Logger) {
	if n.file == "" {
		return
	}
	err := os.MkdirAll(filepath.Dir(n.file), defaultFolderMode)
	if err == nil {
		err = replaceFile(n.file, fmt.Appendf(nil, "%s %s\n", root, n.path))
	}
	if err != nil {
		logger.Warn("can't note which root belongs to this path: should its file system not be mounted one day, that will not be noticed",
			"path", n.path, "error", err)
	}
}

// replaceFile makes the file hold text: all of it, or what it held before, whatever happens meanwhile.
func replaceFile(path string, text []byte) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
