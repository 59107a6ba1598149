package bolttree

import (
	"sync"
	"sync/atomic"
)

const (
	// readers is how many pages of a tree are read at once: disks want several requests at a time.
	readers = 16
	// stretch is how many pages of one level are held in memory at once.
	stretch = 512
	// maxDepth bounds the levels of a tree; even the largest file has fewer.
	maxDepth = 64
)

// tree is one way through a file's trees, page by page.
type tree struct {
	file *File
	used pageSet // pages that the way has come through
	// leaf is called with each leaf; owner is the key of the bucket of values that it belongs to, nil for others.
	leaf func(owner []byte, p *page, elements []element)
	bad  func(error) // a page that can't be read, and all below it
	// singles says whether the pages of singles are read too. Otherwise they are taken for what they must be.
	singles bool
}

func newTree(f *File) *tree { return &tree{file: f, used: newPageSet(f.pages()), singles: true} }

// ref is what a page's parent says of it: its first key, and what its keys are below; nil for anything.
type ref struct {
	id           uint64  // 0 for a leaf within a bucket's value,
	inline       element // which is that of this bucket
	single       *Single // set if the page need not be read
	first, limit []byte
	owner        []byte
}

// descend goes through the pages and all below them, in the order of their keys. The same page is taken once.
func (t *tree) descend(refs []ref, depth int) {
	for len(refs) > 0 {
		n := min(len(refs), stretch)
		var below []ref
		for i, r := range t.readAll(refs[:n], depth) {
			switch {
			case r.err != nil:
				t.bad(r.err)
			case !t.used.add(r.page.id, r.page.pages):
				t.bad(r.page.damage("it, or a page of its overflow, has two places"))
			case r.page.kind == kindLeaf:
				t.leaf(refs[i].owner, r.page, r.elements)
			case depth == maxDepth:
				t.bad(r.page.damage("it lies %d levels deep", depth))
			default:
				below = append(below, children(r.elements, refs[i])...)
			}
		}
		t.descend(below, depth+1)
		refs = refs[n:]
	}
}

func children(elements []element, parent ref) []ref {
	refs := make([]ref, len(elements))
	for i, e := range elements {
		refs[i] = ref{id: e.child, first: e.key, limit: parent.limit, owner: parent.owner}
		if i+1 < len(elements) {
			refs[i].limit = elements[i+1].key
		}
	}
	return refs
}

type result struct {
	page     *page
	elements []element
	err      error
}

// readAll reads the pages, several at a time.
func (t *tree) readAll(refs []ref, depth int) []result {
	results := make([]result, len(refs))
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(refs)); i = next.Add(1) - 1 {
			results[i] = t.file.readRef(refs[i], depth == 0)
		}
	}
	if len(refs) < readers {
		work()
		return results
	}
	var group sync.WaitGroup
	for range readers {
		group.Go(work)
	}
	group.Wait()
	return results
}

// readRef reads a page and its elements. Only a root may be empty.
func (f *File) readRef(r ref, root bool) result {
	if r.single != nil {
		return f.single(*r.single)
	}
	var p *page
	var err error
	if r.id == 0 && r.inline.size > 0 {
		p, err = f.inlinePage(r.inline.value+bucketSize, r.inline.size-bucketSize)
	} else {
		p, err = f.readPage(r.id)
	}
	if err != nil {
		return result{err: err}
	}
	elements, err := p.elements(r.first, r.limit)
	if err == nil && p.count == 0 && (!root || p.kind == kindBranch) {
		err = p.damage("it is empty")
	}
	return result{page: p, elements: elements, err: err}
}

// root returns the buckets that the file's root holds.
func (t *tree) root() (buckets []element) {
	t.leaf = func(_ []byte, p *page, elements []element) {
		for _, e := range elements {
			if !e.bucket {
				t.bad(p.damage("the root holds the key %q, which is no bucket", e.key))
				continue
			}
			buckets = append(buckets, e)
		}
	}
	t.descend([]ref{{id: t.file.meta.Root}}, 0)
	return buckets
}

// bucket goes through the tree of a bucket, whose element in the root this is, and visits all values in it.
func (t *tree) bucket(b element, visit func(bucket string, e Element)) {
	name := string(b.key)
	t.leaf = func(owner []byte, p *page, elements []element) {
		var inner []element
		for _, e := range elements {
			switch {
			case !e.bucket:
				visit(name, Element{Key: e.key, Owner: owner, At: e.value, Size: e.size, file: t.file})
			case owner != nil:
				t.bad(p.damage("a bucket in bucket %q of bucket %q", owner, name))
			default:
				inner = append(inner, e)
			}
		}
		t.open(inner, true)
	}
	t.open([]element{b}, false)
}

// open goes through the trees of the buckets.
func (t *tree) open(buckets []element, inner bool) {
	var refs []ref
	for _, b := range buckets {
		root, counter, err := t.file.bucketHeader(b)
		if err != nil {
			t.bad(err)
			continue
		}
		r := ref{id: root, inline: b}
		if inner {
			r.owner = b.key
		}
		if single, ok := AsSingle(b.key, root, counter, int64(t.file.meta.PageSize)); ok && inner && !t.singles {
			r.single = &single
		}
		refs = append(refs, r)
	}
	t.descend(refs, 0)
}

// bucketHeader returns the page of a bucket's root, 0 if its only leaf stands within its value, and its counter.
func (f *File) bucketHeader(e element) (root, counter uint64, err error) {
	if e.size < bucketSize {
		return 0, 0, f.damage(e.value, "a bucket in %d bytes", e.size)
	}
	var header [bucketSize]byte
	if _, err := f.r.ReadAt(header[:], e.value); err != nil {
		return 0, 0, f.damage(e.value, "%w", err)
	}
	root, counter = order.Uint64(header[:]), order.Uint64(header[8:])
	if root != 0 && e.size != bucketSize {
		return 0, 0, f.damage(e.value, "a bucket's header has %d bytes", e.size)
	}
	return root, counter, nil
}

// pageSet is a set of pages, a bit for each.
type pageSet []uint64

func newPageSet(pages uint64) pageSet { return make(pageSet, pages/64+1) }

func (s pageSet) has(id uint64) bool { return s[id/64]&(1<<(id%64)) != 0 }

// add adds n pages from id on. It returns false if one of them is in the set already, or has no place in it.
func (s pageSet) add(id, n uint64) bool {
	fresh := true
	for ; n > 0; id, n = id+1, n-1 {
		if id/64 >= uint64(len(s)) {
			return false
		}
		bit := uint64(1) << (id % 64)
		fresh = fresh && s[id/64]&bit == 0
		s[id/64] |= bit
	}
	return fresh
}
