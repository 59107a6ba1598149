package boltfile

// SetLargeFile changes the size from which on the free list is written, and returns what undoes it.
func SetLargeFile(size int64) (undo func()) {
	before := largeFile
	largeFile = size
	return func() { largeFile = before }
}
