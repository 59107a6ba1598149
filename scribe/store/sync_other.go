//go:build !linux

package store

import "os"

// fdatasync makes the file's bytes and size durable.
func fdatasync(f *os.File) error { return f.Sync() }
