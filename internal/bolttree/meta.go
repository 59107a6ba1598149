package bolttree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// order is the byte order of the file.
var order = binary.NativeEndian

// Meta is what a meta page says. After the page's header of 16 bytes:
//
//	offset  width  meaning
//	0       4      magic, ed0cdaed
//	4       4      version, 2
//	8       4      page size
//	12      4      flags
//	16      16     root bucket: page number, counter
//	32      8      page of the list of free pages; all bits set if there is none
//	40      8      number of pages in use
//	48      8      transaction; the page's own number is its lowest bit
//	56      8      FNV-64a of all before
type Meta struct {
	PageSize    uint32
	Root        uint64
	FreeList    uint64
	Pages       uint64
	Transaction uint64

	flags   uint32
	counter uint64 // of the root bucket
}

const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 64
	metaSum     = 56
	noFreeList  = ^uint64(0)

	smallestPage = 1 << 10
	largestPage  = 1 << 16
)

// ErrNoMeta says that neither meta page is sound.
var ErrNoMeta = errors.New("neither of its two headers is sound")

// File is a bbolt file as its newest sound meta page shows it. It is safe for concurrent use.
type File struct {
	r    io.ReaderAt
	size int64
	meta Meta

	metaProblem error // of the other meta page
}

// Open reads the meta pages of a file of that size. The error wraps ErrNoMeta, or is that of a read.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size}
	first, err := readMeta(r, 0)
	if err == nil {
		second, err := readMeta(r, int64(first.PageSize))
		if err == nil && first.Transaction%2+1 != second.Transaction%2 {
			err = errors.New("the two headers are not of two transactions, or not in their places")
		}
		return f.choose(first, second, err)
	}
	for at := int64(smallestPage); at <= largestPage; at *= 2 {
		if second, e := readMeta(r, at); e == nil && int64(second.PageSize) == at {
			f.meta, f.metaProblem = second, fmt.Errorf("page 0: %w", err)
			return f, nil
		}
	}
	return nil, fmt.Errorf("%w: page 0: %w", ErrNoMeta, err)
}

func (f *File) choose(first, second Meta, err error) (*File, error) {
	switch {
	case err != nil:
		f.metaProblem = fmt.Errorf("page 1: %w", err)
	case second.PageSize != first.PageSize:
		f.metaProblem = errors.New("page 1: the two headers differ in the size of a page")
	case second.Transaction > first.Transaction:
		f.meta = second
		return f, nil
	}
	f.meta = first
	return f, nil
}

// Raw returns the file without a tree: only Leaves and At can be used.
func Raw(r io.ReaderAt, size int64, pageSize int) *File {
	return &File{r: r, size: size, meta: Meta{PageSize: uint32(pageSize), Pages: uint64(size / int64(pageSize))}}
}

// At returns the file with the tree whose root is that page, and all its pages, whatever the meta pages say.
func (f *File) At(root uint64) *File {
	other := &File{r: f.r, size: f.size, meta: f.meta}
	other.meta.Root, other.meta.FreeList = root, noFreeList
	other.meta.Pages = max(f.meta.Pages, uint64(f.size)/uint64(f.meta.PageSize))
	return other
}

// MetaProblem returns what is wrong with the other meta page, or nil. If that was the newer one, the tree lacks the last
// transaction.
func (f *File) MetaProblem() error { return f.metaProblem }

// Meta returns what the newest sound meta page says.
func (f *File) Meta() Meta { return f.meta }

// HeaderSize is the number of bytes that a meta page uses.
const HeaderSize = headerSize + metaSize

func readMeta(r io.ReaderAt, at int64) (Meta, error) {
	var page [HeaderSize]byte
	if _, err := r.ReadAt(page[:], at); err != nil {
		return Meta{}, fmt.Errorf("read the header: %w", err)
	}
	return ParseHeader(page[:])
}

// ParseHeader returns what the first HeaderSize bytes of a meta page say.
func ParseHeader(page []byte) (Meta, error) {
	if len(page) < HeaderSize {
		return Meta{}, errors.New("the header is cut")
	}
	b := page[headerSize:]
	sum := fnv.New64a()
	sum.Write(b[:metaSum])
	switch {
	case order.Uint32(b) != metaMagic:
		return Meta{}, errors.New("no header of this kind of file")
	case order.Uint64(b[metaSum:]) != sum.Sum64():
		return Meta{}, errors.New("the header's checksum does not fit")
	case order.Uint32(b[4:]) != metaVersion:
		return Meta{}, fmt.Errorf("version %d of bbolt's format; this release reads %d", order.Uint32(b[4:]), metaVersion)
	}
	m := Meta{
		PageSize: order.Uint32(b[8:]), Root: order.Uint64(b[16:]), FreeList: order.Uint64(b[32:]),
		Pages: order.Uint64(b[40:]), Transaction: order.Uint64(b[48:]),
		flags: order.Uint32(b[12:]), counter: order.Uint64(b[24:]),
	}
	if m.PageSize < smallestPage || m.PageSize > largestPage || m.PageSize&(m.PageSize-1) != 0 {
		return Meta{}, fmt.Errorf("a page size of %d bytes", m.PageSize)
	}
	return m, nil
}
