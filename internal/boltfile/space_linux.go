package boltfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// allocate gives the file blocks of the disk where it has none, and makes it as long as that takes. A file system that
// can't gets the length alone; there, a transaction may meet a full disk.
func allocate(f *os.File, at, n int64) error {
	for {
		switch err := unix.Fallocate(int(f.Fd()), 0, at, n); err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EOPNOTSUPP:
			return lengthen(f, at+n)
		default:
			return &fs.PathError{Op: "allocate", Path: f.Name(), Err: err}
		}
	}
}

// reserve gives a file blocks of the disk up to n bytes, and leaves its length. A file system that can't does nothing.
func reserve(f *os.File, n int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, n)
	if isFull(err) {
		return &fs.PathError{Op: "allocate", Path: f.Name(), Err: err}
	}
	return nil
}

// punch takes the blocks from a stretch of the file, which reads as zeros from then on.
func punch(f *os.File, at, n int64) error {
	if n == 0 {
		return nil
	}
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, n); err != nil {
		return &fs.PathError{Op: "punch a hole into", Path: f.Name(), Err: err}
	}
	return nil
}

// unmapPages drops the pages of a mapping from the process's memory; the mapping stays.
func unmapPages(at, n uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, at, n, unix.MADV_DONTNEED); errno != 0 {
		return errno
	}
	return nil
}

func diskBytes(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}

// DiskFree returns the bytes that are free for this process on the disk of the folder of the file at path.
func DiskFree(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &s); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// IsFull says whether the error is that of a full disk or quota.
func IsFull(err error) bool { return isFull(err) }

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
