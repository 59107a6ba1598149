package bolttree

import (
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// Write is bytes to be written at an offset.
type Write struct {
	At    int64
	Bytes []byte
}

// HasFreeList says whether the newest transaction has stored a list of the free pages.
func (f *File) HasFreeList() bool { return f.meta.FreeList != noFreeList }

// FreeList returns what makes a transaction that changes nothing but to store a list of free pages: the list, and then,
// once that is durable, the meta page that leads to it, in place of the older one. The list takes the first free pages
// that lie in a run that is long enough, or else new ones behind the last page in use.
func (f *File) FreeList(free []uint64) (list, meta Write) {
	size := int(f.meta.PageSize)
	m := f.meta
	m.Transaction++
	pages := (headerSize + 8 + 8*len(free) + size - 1) / size
	if i := firstRun(free, pages); i >= 0 {
		m.FreeList = free[i]
		free = slices.Concat(free[:i], free[i+pages:])
	} else {
		m.FreeList = m.Pages
		m.Pages += uint64(pages)
	}

	list.At = int64(m.FreeList) * int64(size)
	list.Bytes = make([]byte, headerSize, pages*size)
	count := len(free)
	if count >= manyFree {
		list.Bytes = order.AppendUint64(list.Bytes, uint64(count))
		count = manyFree
	}
	for _, id := range free {
		list.Bytes = order.AppendUint64(list.Bytes, id)
	}
	list.Bytes = list.Bytes[:pages*size]
	putHeader(list.Bytes, m.FreeList, kindFreeList, count, pages-1)

	id := m.Transaction % 2
	meta.At = int64(id) * int64(size)
	meta.Bytes = make([]byte, size)
	putHeader(meta.Bytes, id, kindMeta, 0, 0)
	m.put(meta.Bytes[headerSize:])
	return list, meta
}

// CheckFreeList returns an error if the page that the meta calls the list of free pages is not one, or reaches beyond the
// pages in use. It reads the page's header alone.
func (m *Meta) CheckFreeList(r io.ReaderAt) error {
	if m.FreeList == noFreeList {
		return nil
	}
	var head [headerSize]byte
	if _, err := r.ReadAt(head[:], int64(m.FreeList)*int64(m.PageSize)); err != nil {
		return fmt.Errorf("page %d: %w", m.FreeList, err)
	}
	id, kind, overflow := order.Uint64(head[:]), order.Uint16(head[8:]), uint64(order.Uint32(head[12:]))
	if id != m.FreeList || kind != kindFreeList || id+overflow >= m.Pages {
		return fmt.Errorf("page %d: it is no longer the list of free pages", m.FreeList)
	}
	return nil
}

// firstRun returns the index of the first of n numbers that follow on each other, -1 if there are none.
func firstRun(numbers []uint64, n int) int {
	begin := 0
	for i := range numbers {
		if i > 0 && numbers[i] != numbers[i-1]+1 {
			begin = i
		}
		if i-begin+1 == n {
			return begin
		}
	}
	return -1
}

func putHeader(b []byte, id uint64, kind uint16, count, overflow int) {
	order.PutUint64(b, id)
	order.PutUint16(b[8:], kind)
	order.PutUint16(b[10:], uint16(count))
	order.PutUint32(b[12:], uint32(overflow))
}

// put writes the meta as it stands in its page.
func (m *Meta) put(b []byte) {
	order.PutUint32(b, metaMagic)
	order.PutUint32(b[4:], metaVersion)
	order.PutUint32(b[8:], m.PageSize)
	order.PutUint32(b[12:], m.flags)
	order.PutUint64(b[16:], m.Root)
	order.PutUint64(b[24:], m.counter)
	order.PutUint64(b[32:], m.FreeList)
	order.PutUint64(b[40:], m.Pages)
	order.PutUint64(b[48:], m.Transaction)
	sum := fnv.New64a()
	sum.Write(b[:metaSum])
	order.PutUint64(b[56:], sum.Sum64())
}
