package boltfile

import (
	"os"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// writeFreeList stores the list of free pages in a transaction of its own, and says whether it could.
//
// bbolt does not store it with each transaction, as that would cost too much. When it opens a file without a list it
// goes through the whole tree, one page after the other, and keeps all of them in memory: with 10 GiB that takes seconds,
// and hundreds of megabytes. It does so in a goroutine where nobody can catch the fault if others cut the file just then.
// The check has found out already.
func writeFreeList(file *os.File, tree *bolttree.File, free []uint64) (written bool, err error) {
	list, meta := tree.FreeList(free)
	if _, err := file.WriteAt(list.Bytes, list.At); err != nil {
		return false, nil // on a full disk bbolt must do without it; nothing leads to what was written
	}
	if err := file.Sync(); err != nil {
		return false, err
	}
	if _, err := file.WriteAt(meta.Bytes, meta.At); err != nil {
		return false, err
	}
	return true, file.Sync()
}
