package bolttree

import "hash/fnv"

// Write is bytes to be written at an offset.
type Write struct {
	At    int64
	Bytes []byte
}

// HasFreeList says whether the newest transaction has stored a list of the free pages.
func (f *File) HasFreeList() bool { return f.meta.FreeList != noFreeList }

// FreeList returns what makes a transaction that changes nothing but to store a list of free pages: the list, behind the
// last page in use, and then, once that is durable, the meta page that leads to it, in place of the older one.
func (f *File) FreeList(free []uint64) (list, meta Write) {
	size := int(f.meta.PageSize)
	m := f.meta
	m.FreeList = m.Pages
	m.Transaction++

	list.At = int64(m.FreeList) * int64(size)
	list.Bytes = make([]byte, headerSize, headerSize+8+8*len(free)+size)
	count := len(free)
	if count >= manyFree {
		list.Bytes = order.AppendUint64(list.Bytes, uint64(count))
		count = manyFree
	}
	for _, id := range free {
		list.Bytes = order.AppendUint64(list.Bytes, id)
	}
	pages := (len(list.Bytes) + size - 1) / size
	list.Bytes = list.Bytes[:pages*size]
	m.Pages += uint64(pages)
	putHeader(list.Bytes, m.FreeList, kindFreeList, count, pages-1)

	id := m.Transaction % 2
	meta.At = int64(id) * int64(size)
	meta.Bytes = make([]byte, size)
	putHeader(meta.Bytes, id, kindMeta, 0, 0)
	m.put(meta.Bytes[headerSize:])
	return list, meta
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
