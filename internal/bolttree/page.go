package bolttree

import (
	"bytes"
	"fmt"
)

// Kinds of pages, and the flag of an element that is a bucket.
const (
	kindBranch   = 0x01
	kindLeaf     = 0x02
	kindMeta     = 0x04
	kindFreeList = 0x10

	flagBucket = 0x01
)

const (
	headerSize  = 16
	elementSize = 16
	bucketSize  = 16
	maxKeySize  = 32768
	smallHead   = 256
	manyFree    = 0xFFFF // the first number of the list of free pages is their count
)

// page is a page whose header is sound: it has the right number, and its extent lies within the file.
type page struct {
	file   *File
	id     uint64 // 0 for a leaf within a value
	at     int64  // offset in the file
	kind   uint16
	count  int
	pages  uint64 // itself and its overflow; 0 for a leaf within a value
	extent int64  // bytes
	head   []byte // the first bytes of it
}

// damage is an error about the page, or about the page that it is within.
func (p *page) damage(format string, args ...any) error { return p.file.damage(p.at, format, args...) }

// damage is an error about the page at that offset.
func (f *File) damage(at int64, format string, args ...any) error {
	return fmt.Errorf("page %d: "+format, append([]any{at / int64(f.meta.PageSize)}, args...)...)
}

// readPage reads the header of page id.
func (f *File) readPage(id uint64) (*page, error) {
	if id < 2 || id >= f.meta.Pages {
		return nil, fmt.Errorf("page %d: there are pages 2 to %d only", id, f.meta.Pages-1)
	}
	size := int64(f.meta.PageSize)
	if id > uint64(f.size/size) {
		return nil, fmt.Errorf("page %d: the file ends before it", id)
	}
	p := &page{file: f, id: id, at: int64(id) * size}
	if err := p.readHead(int(size)); err != nil {
		return nil, err
	}
	overflow := order.Uint32(p.head[12:])
	p.pages = 1 + uint64(overflow)
	p.extent = int64(p.pages) * size
	if own := order.Uint64(p.head); own != id {
		return nil, p.damage("it calls itself page %d", own)
	}
	return p, p.within()
}

// within returns an error if the page has no place in the file.
func (p *page) within() error {
	last := p.file.meta.Pages - 1
	switch {
	case p.id < 2 || p.id > last:
		return fmt.Errorf("page %d: there are pages 2 to %d only", p.id, last)
	case p.id+p.pages-1 > last:
		return p.damage("it has %d pages, which reach beyond the last one, %d", p.pages, last)
	case p.at+p.extent > p.file.size:
		return p.damage("the file ends within it")
	}
	return nil
}

// inlinePage reads the header of a leaf within a value of that length.
func (f *File) inlinePage(at, length int64) (*page, error) {
	p := &page{file: f, at: at, extent: length}
	if length < headerSize {
		return nil, p.damage("a bucket in %d bytes", length)
	}
	if err := p.readHead(int(min(length, int64(f.meta.PageSize)))); err != nil {
		return nil, err
	}
	if p.kind != kindLeaf || order.Uint32(p.head[12:]) != 0 {
		return nil, p.damage("a bucket within it is none")
	}
	return p, nil
}

// readHead reads the page's header, and up to n bytes of what follows. Of a page with one element, as most are in a file
// of large values, the first few bytes are enough.
func (p *page) readHead(n int) error {
	for size := min(n, smallHead); ; size = n {
		p.head = make([]byte, size)
		if _, err := p.file.r.ReadAt(p.head, p.at); err != nil {
			return p.damage("%w", err)
		}
		p.kind, p.count = order.Uint16(p.head[8:]), int(order.Uint16(p.head[10:]))
		if size == n || p.count == 1 || p.kind != kindBranch && p.kind != kindLeaf {
			return nil
		}
	}
}

// read returns n bytes of the page.
func (p *page) read(at, n int64) ([]byte, error) {
	if at+n <= int64(len(p.head)) {
		return p.head[at : at+n], nil
	}
	b := make([]byte, n)
	if _, err := p.file.r.ReadAt(b, p.at+at); err != nil {
		return nil, p.damage("%w", err)
	}
	return b, nil
}

// element is one element of a page.
type element struct {
	key    []byte
	bucket bool   // of a leaf
	value  int64  // of a leaf: offset in the file ...
	size   int64  // ... and length
	child  uint64 // of a branch
}

// elements reads and checks all elements of a branch or leaf. Their keys ascend from the first one and are below limit;
// nil stands for any. A first key other than the one in the page above would make bbolt enter the page there twice.
func (p *page) elements(first, limit []byte) ([]element, error) {
	if p.kind != kindBranch && p.kind != kindLeaf {
		return nil, p.damage("it is of kind %#x", p.kind)
	}
	end := int64(headerSize + elementSize*p.count) // of what is accounted for
	if end > p.extent {
		return nil, p.damage("it has no room for %d elements", p.count)
	}
	if p.count == 0 && bytes.ContainsFunc(p.head[headerSize:], func(r rune) bool { return r != 0 }) {
		return nil, p.damage("it is said to be empty, and is not") // bbolt writes zeros behind what it has to say
	}
	table, err := p.read(headerSize, end-headerSize)
	if err != nil {
		return nil, err
	}
	all := make([]element, p.count)
	for i := range all {
		if end, err = p.element(&all[i], table, i, end); err != nil {
			return nil, err
		}
		switch e := &all[i]; {
		case i > 0 && bytes.Compare(all[i-1].key, e.key) >= 0:
			return nil, p.damage("key %d is not above the one before it", i)
		case i == 0 && first != nil && !bytes.Equal(e.key, first):
			return nil, p.damage("its first key is not the one that the page above it gives")
		case limit != nil && bytes.Compare(e.key, limit) >= 0:
			return nil, p.damage("key %d belongs behind it", i)
		}
	}
	if slack := p.extent - end; p.pages > 0 && slack > int64(p.file.meta.PageSize) || p.pages == 0 && slack != 0 {
		return nil, p.damage("%d bytes of its %d belong to no element", slack, p.extent)
	}
	return all, nil
}

// element reads element i, whose key must begin at end, and returns where its value ends.
func (p *page) element(e *element, table []byte, i int, end int64) (int64, error) {
	own := int64(headerSize + i*elementSize)
	b := table[i*elementSize:]
	var distance, keySize int64
	if p.kind == kindBranch {
		distance, keySize = int64(order.Uint32(b)), int64(order.Uint32(b[4:]))
		e.child = order.Uint64(b[8:])
	} else {
		flags := order.Uint32(b)
		distance, keySize, e.size = int64(order.Uint32(b[4:])), int64(order.Uint32(b[8:])), int64(order.Uint32(b[12:]))
		e.bucket = flags == flagBucket
		if flags > flagBucket {
			return 0, p.damage("element %d has flags %#x", i, flags)
		}
	}
	switch {
	case own+distance != end:
		return 0, p.damage("element %d begins at %d instead of %d", i, own+distance, end)
	case keySize == 0 || keySize > maxKeySize:
		return 0, p.damage("element %d has a key of %d bytes", i, keySize)
	case end+keySize+e.size > p.extent:
		return 0, p.damage("element %d reaches beyond it", i)
	}
	var err error
	if e.key, err = p.read(end, keySize); err != nil {
		return 0, err
	}
	e.value = p.at + end + keySize
	return end + keySize + e.size, nil
}
