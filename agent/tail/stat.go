package tail

import (
	"io/fs"
	"os"
	"syscall"
)

// inode names a file among those that exist at the same time.
type inode struct {
	dev, ino uint64
}

// identity names a file among all that ever existed, as well as the file system can tell: an inode's number is given
// out again, but hardly ever with the same time of birth.
type identity struct {
	inode
	born int64 // nanoseconds since 1970, 0 where the file system doesn't know
}

// same is false if the two are certainly different files.
func (id identity) same(other identity) bool {
	unknown := min(id.born, other.born) == 0 && max(id.born, other.born) >= 0 // below is an orphan (see orphanedAs)
	return id.inode == other.inode && (id.born == other.born || unknown)
}

// fileStat is what the source wants to know of a file.
type fileStat struct {
	identity
	size    int64
	mtime   int64 // nanoseconds since 1970
	links   uint32
	regular bool
}

// statOf converts what os.File.Stat returns; the time of birth is not in it.
func statOf(info fs.FileInfo) fileStat {
	st := fileStat{size: info.Size(), mtime: info.ModTime().UnixNano(), links: 1, regular: info.Mode().IsRegular()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.inode = inode{dev: uint64(sys.Dev), ino: sys.Ino}
		st.links = uint32(sys.Nlink)
	}
	return st
}

// openFile opens a file to be tailed. O_NONBLOCK keeps the open of a FIFO that took the file's place from blocking.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
}
