package spool

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// ErrForeign says that a file is another program's. It is never repaired, nor set aside.
var ErrForeign = errors.New("it is no spool but another program's file: give the spool another path")

// checkForeign returns ErrForeign for a file that was never a spool: a text, or a sound bbolt file of somebody else. A
// spool is full of zero bytes, and has its buckets from its first transaction on.
func checkForeign(file *os.File) error {
	head := make([]byte, 4096)
	n, err := file.ReadAt(head, 0)
	if err != nil && err != io.EOF || n == 0 {
		return nil // the file's trouble shows elsewhere
	}
	if bytes.IndexByte(head[:n], 0) < 0 {
		return ErrForeign
	}
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	tree, err := bolttree.Open(file, info.Size())
	if err != nil || len(tree.Check(1, nil)) > 0 {
		return nil
	}
	missing := 0
	tree.Walk(func(string, bolttree.Element) {}, func(_ string, err error) {
		if errors.Is(err, bolttree.ErrNoBucket) {
			missing++
		}
	}, string(bucketQueues), string(bucketBlocks))
	if missing == 2 && hasBuckets(tree) {
		return ErrForeign
	}
	return nil
}

// hasBuckets says whether the file holds anything.
func hasBuckets(tree *bolttree.File) bool {
	found := false
	tree.Walk(func(string, bolttree.Element) { found = true }, func(string, error) {})
	return found
}
