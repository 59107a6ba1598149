package bolttree

import "hash/crc32"

// A single is a bucket of one value, under the bucket's own key, whose counter tells the length of that value. So all is
// known of its page but the value itself: which pages it has, and with which bytes it begins. A file of many large values
// can be checked without a read for each of them.
//
// Such a counter:
//
//	bits    meaning
//	0-31    length of the value in bytes
//	32-63   CRC-32C of the key and of bits 0-31, in the byte order of the file
//
// Other counters, as 0, say nothing; then the page is read.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SingleCounter returns the counter of a bucket that holds one value of that length, under the bucket's own key.
func SingleCounter(key []byte, length int) uint64 {
	sum := crc32.Checksum(order.AppendUint32(nil, uint32(length)), castagnoli)
	return uint64(crc32.Update(sum, castagnoli, key))<<32 | uint64(uint32(length))
}

// Single is where a bucket of one value lies.
type Single struct {
	Page   uint64 // the first of its pages
	Length int64  // of the value

	key      []byte
	pageSize int64
}

// AsSingle returns where the bucket of that key has its value, by its root page and its counter, in a file of pages of
// that size. It returns false if that can't be told.
func AsSingle(key []byte, root, counter uint64, pageSize int64) (Single, bool) {
	length := int64(uint32(counter))
	known := root != 0 && counter != 0 && counter == SingleCounter(key, int(length))
	return Single{Page: root, Length: length, key: key, pageSize: pageSize}, known
}

// At returns the value's offset in the file.
func (s *Single) At() int64 {
	return int64(s.Page)*s.pageSize + headerSize + elementSize + int64(len(s.key))
}

// pages returns the number of its pages.
func (s *Single) pages() uint64 {
	n := headerSize + elementSize + int64(len(s.key)) + s.Length
	return uint64((n + s.pageSize - 1) / s.pageSize)
}

// Head returns all that stands in its pages before the value.
func (s *Single) Head() []byte {
	b := make([]byte, headerSize+elementSize, headerSize+elementSize+len(s.key))
	putHeader(b, s.Page, kindLeaf, 1, int(s.pages()-1))
	element := b[headerSize:]
	order.PutUint32(element[4:], elementSize)
	order.PutUint32(element[8:], uint32(len(s.key)))
	order.PutUint32(element[12:], uint32(s.Length))
	return append(b, s.key...)
}

// single returns the page of a single, as it must be, and its only element.
func (f *File) single(s Single) result {
	p := &page{file: f, id: s.Page, at: int64(s.Page) * s.pageSize, kind: kindLeaf, count: 1, pages: s.pages()}
	p.extent = int64(p.pages) * s.pageSize
	if err := p.within(); err != nil {
		return result{err: err}
	}
	return result{page: p, elements: []element{{key: s.key, value: s.At(), size: s.Length}}}
}
