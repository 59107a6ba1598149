package boltfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// The lock keeps out those who ask for it. Whoever writes over the file all the same, or cuts it, shows in its two
// headers: only transactions of this process change them, one at a time, and each of these leaves the other one alone.
// So they are compared with what they were before each transaction. That finds a file that took another's content, whose
// pages look sound, before anything is built upon them.

var (
	errForeignHeader = errors.New("another program has written over it while it was open")
	errCut           = errors.New("another program has cut it while it was open")
)

// headers are the file's two headers as this process has left them.
type headers struct {
	mu    sync.Mutex
	page  int64         // size in bytes
	bytes [2][]byte     // by the lowest bit of their transactions
	meta  bolttree.Meta // what the newest says
	// busy is set within a transaction that writes, and failed after one that did not end well: one header may be new then.
	busy, failed bool
}

// read reads both headers. What can't be read of them is missing.
func (h *headers) read(file *os.File) (all [2][]byte) {
	for i := range all {
		b := make([]byte, bolttree.HeaderSize)
		n, _ := file.ReadAt(b, int64(i)*h.page)
		all[i] = b[:n]
	}
	return all
}

// note takes the headers of a file that was just opened for this process's own.
func (h *headers) note(file *os.File) error {
	tree, err := openTree(file)
	if err != nil {
		return err
	}
	h.meta = tree.Meta()
	h.page = int64(h.meta.PageSize)
	h.bytes = h.read(file)
	return nil
}

// begin checks the headers before a transaction that writes.
func (h *headers) begin(file *os.File) error {
	err := h.check(file)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = err == nil
	return err
}

// check returns an error if others have changed the headers, or cut the file.
func (h *headers) check(file *os.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	info, err := file.Stat()
	if err != nil {
		return nil // the disk's trouble, of which a transaction will tell
	}
	if end := h.page * int64(h.meta.Pages); info.Size() < end {
		return fmt.Errorf("%w: it has %d bytes of %d", errCut, info.Size(), end)
	}
	now, changed := h.read(file), 0
	for i := range now {
		if !bytes.Equal(now[i], h.bytes[i]) {
			changed++
		}
	}
	if changed > 1 || changed == 1 && !h.busy && !h.failed {
		return errForeignHeader
	}
	return nil
}

// freeList checks the page that bbolt, before it commits, goes by without a look at what it is: it may be told there to
// free billions of pages.
func (h *headers) freeList(file *os.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed {
		return nil
	}
	return h.meta.CheckFreeList(file)
}

// ended takes note of a transaction of that number that has ended well or not. It returns an error if others have written
// over the headers meanwhile.
func (h *headers) ended(file *os.File, id int, ok bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = false
	if !ok {
		h.failed = true
		return nil
	}
	now := h.read(file)
	own, other := id%2, 1-id%2
	if !bytes.Equal(now[other], h.bytes[other]) && !(h.failed && isHeader(now[other], id-1)) || !isHeader(now[own], id) {
		return errForeignHeader
	}
	h.meta, _ = bolttree.ParseHeader(now[own]) // it is one
	h.bytes, h.failed = now, false
	return nil
}

// isHeader says whether these bytes are the header of the transaction of that number.
func isHeader(b []byte, id int) bool {
	m, err := bolttree.ParseHeader(b)
	return err == nil && m.Transaction == uint64(id)
}

func openTree(file *os.File) (*bolttree.File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return bolttree.Open(file, info.Size())
}
