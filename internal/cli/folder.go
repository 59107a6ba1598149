package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CheckFolder says for people whether a folder is there or would be made. The error says why this process could not make it,
// or make files in it. It changes nothing.
func CheckFolder(folder string) (state string, err error) {
	at, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	state = "there"
	info, err := os.Stat(at)
	for errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
		state = "would be made"
		if _, err := os.Lstat(at); err == nil {
			return "", fmt.Errorf("%s is a link that leads nowhere", at)
		}
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	switch {
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is no folder", at)
	}
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		return "", fmt.Errorf("no files can be made in %s: %w", at, err)
	}
	return state, nil
}

// CheckFile is CheckFolder for a file that is written to: one that is there must be an ordinary one that can be read and
// written.
func CheckFile(file string) (state string, err error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := CheckFolder(filepath.Dir(file)); err != nil {
			return "", err
		}
		return "would be made", nil
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no ordinary file", file)
	}
	if err := unix.Access(file, unix.R_OK|unix.W_OK); err != nil {
		return "", fmt.Errorf("%s can't be read and written: %w", file, err)
	}
	_, err = CheckFolder(filepath.Dir(file))
	return "there", err
}

// Absolute returns the path from the root, for people, who may not know where a program was started.
func Absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
