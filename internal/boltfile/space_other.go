//go:build !linux

package boltfile

import (
	"errors"
	"io/fs"
	"math"
	"os"
)

func allocate(f *os.File, at, n int64) error { return lengthen(f, at+n) }

func reserve(*os.File, int64) error { return nil }

func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }

func unmapPages(uintptr, uintptr) error { return nil }

func diskBytes(info fs.FileInfo) int64 { return info.Size() }

// DiskFree returns the bytes that are free on the disk of the file at path; on this system it does not know.
func DiskFree(string) (int64, error) { return math.MaxInt64, nil }

// IsFull says whether the error is that of a full disk; on this system it does not know.
func IsFull(error) bool { return false }

func isFull(error) bool { return false }
