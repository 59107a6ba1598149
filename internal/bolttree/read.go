package bolttree

import (
	"bytes"
	"errors"
	"slices"
)

// ErrNoBucket says that there is no bucket of that name.
var ErrNoBucket = errors.New("it is missing")

// Element is a key and its value.
type Element struct {
	Key   []byte
	Owner []byte // the key of the bucket of values that it is in, nil for none
	At    int64  // the value's offset in the file
	Size  int64  // the value's length

	file *File
}

// Value reads the value. It takes as much memory as the value has bytes; in a damaged file that may be any number up to
// that of the file.
func (e *Element) Value() ([]byte, error) { return e.Head(e.Size) }

// Head reads the first bytes of the value, at most n.
func (e *Element) Head(n int64) ([]byte, error) {
	b := make([]byte, min(n, e.Size))
	if _, err := e.file.r.ReadAt(b, e.At); err != nil {
		return nil, e.file.damage(e.At, "%w", err)
	}
	return b, nil
}

// Walk calls visit for each element of the buckets, or of all if none is named, in the order of the keys, and bad for
// each page that can't be read, with the bucket that it belongs to, or "" for the root, and for each bucket named that is
// missing; it goes on behind it.
func (f *File) Walk(visit func(bucket string, e Element), bad func(bucket string, err error), buckets ...string) {
	t := newTree(f)
	t.bad = func(err error) { bad("", err) }
	roots := t.root()
	for _, name := range buckets {
		if !slices.ContainsFunc(roots, func(e element) bool { return string(e.key) == name }) {
			bad(name, ErrNoBucket)
		}
	}
	for _, b := range roots {
		name := string(b.key)
		if len(buckets) == 0 || slices.Contains(buckets, name) {
			t.bad = func(err error) { bad(name, err) }
			t.bucket(b, visit)
		}
	}
}

// Get returns the value of that key, or in the bucket of that key the one of the same key, and whether there is one that
// can be read.
func (f *File) Get(bucket string, key []byte) (Element, bool) {
	e, ok := f.find(f.meta.Root, []byte(bucket))
	for range 2 {
		if ok && e.bucket {
			e, ok = f.in(e, key)
		}
	}
	return Element{Key: e.key, At: e.value, Size: e.size, file: f}, ok && !e.bucket
}

// in looks for the key in a bucket.
func (f *File) in(b element, key []byte) (e element, ok bool) {
	root, _, err := f.bucketHeader(b)
	if err != nil {
		return element{}, false
	}
	if root != 0 {
		return f.find(root, key)
	}
	leaf := f.readRef(ref{inline: b}, true)
	if leaf.err != nil {
		return element{}, false
	}
	return search(leaf.elements, key)
}

// find looks for the key from page id downwards.
func (f *File) find(id uint64, key []byte) (element, bool) {
	for range maxDepth {
		p, err := f.readPage(id)
		if err != nil {
			return element{}, false
		}
		elements, err := p.elements(nil, nil)
		if err != nil {
			return element{}, false
		}
		if p.kind == kindLeaf {
			return search(elements, key)
		}
		i, exact := slices.BinarySearchFunc(elements, key, compareKey)
		if !exact && i == 0 {
			return element{}, false
		}
		if !exact {
			i--
		}
		id = elements[i].child
	}
	return element{}, false
}

func search(elements []element, key []byte) (element, bool) {
	i, ok := slices.BinarySearchFunc(elements, key, compareKey)
	if !ok {
		return element{}, false
	}
	return elements[i], true
}

func compareKey(e element, key []byte) int { return bytes.Compare(e.key, key) }

// pages returns the number of whole pages in the file.
func (f *File) pages() uint64 { return uint64(f.size) / uint64(f.meta.PageSize) }
