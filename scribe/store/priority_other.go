//go:build !linux

package store

// lowPriority does nothing: only Linux has priorities for single threads.
func lowPriority() {}
