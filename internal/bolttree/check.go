package bolttree

import (
	"fmt"
	"slices"
)

// Check reads all pages of all trees, but not the values in them, and returns what is wrong: at most limit problems, in
// the order of the trees. It calls visit, unless that is nil, for each element of each bucket, in the order of the keys; of a
// page that holds buckets too, those in them come last.
func (f *File) Check(limit int, visit func(bucket string, e Element)) []error {
	problems, _ := f.check(limit, true, visit)
	return problems
}

// Sound does what Check does. It returns the first problem, and if there is none the pages that no tree uses, in their order.
func (f *File) Sound(visit func(bucket string, e Element)) (free []uint64, err error) {
	return f.sound(true, visit)
}

// SoundButSingles is Sound, but takes the pages of singles for sound without reading them.
func (f *File) SoundButSingles(visit func(bucket string, e Element)) (free []uint64, err error) {
	return f.sound(false, visit)
}

func (f *File) sound(singles bool, visit func(string, Element)) (free []uint64, err error) {
	problems, used := f.check(1, singles, visit)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	for id := uint64(2); id < f.meta.Pages; id++ {
		if !used.has(id) {
			free = append(free, id)
		}
	}
	return free, nil
}

func (f *File) check(limit int, singles bool, visit func(string, Element)) (problems []error, used pageSet) {
	c := &check{tree: newTree(f), limit: limit}
	c.tree.singles = singles
	if visit == nil {
		visit = func(string, Element) {}
	}
	if f.metaProblem != nil {
		c.report(fmt.Errorf("%w; if that was the newer header, the last transaction is lost with it", f.metaProblem))
	}
	if f.meta.Pages > f.pages() {
		c.report(fmt.Errorf("it has %d bytes of %d", f.size, f.meta.Pages*uint64(f.meta.PageSize)))
		return c.problems, nil
	}
	c.tree.bad = c.report
	for _, b := range c.tree.root() {
		c.tree.bad = func(err error) { c.report(fmt.Errorf("bucket %q: %w", b.key, err)) }
		c.tree.bucket(b, visit)
	}
	used = slices.Clone(c.tree.used)
	c.freeList()
	return c.problems, used
}

type check struct {
	tree     *tree
	limit    int
	problems []error
}

func (c *check) report(problem error) {
	if len(c.problems) < c.limit {
		c.problems = append(c.problems, problem)
	}
}

// freeList checks the list of free pages, if the file has one: of its pages none is in use.
func (c *check) freeList() {
	f := c.tree.file
	if f.meta.FreeList == noFreeList {
		return
	}
	p, err := f.readPage(f.meta.FreeList)
	if err == nil {
		err = c.listed(p)
	}
	if err != nil {
		c.report(fmt.Errorf("the list of free pages: %w", err))
	}
}

func (c *check) listed(p *page) error {
	if p.kind != kindFreeList {
		return p.damage("it is of kind %#x", p.kind)
	}
	if !c.tree.used.add(p.id, p.pages) {
		return p.damage("it is used otherwise")
	}
	at, count := int64(headerSize), int64(p.count)
	if p.count == manyFree {
		b, err := p.read(at, 8)
		if err != nil {
			return err
		}
		if n := order.Uint64(b); n < uint64(p.extent) {
			count = int64(n)
		}
		at += 8
	}
	if at+8*count > p.extent {
		return p.damage("it has no room for %d numbers", count)
	}
	list, err := p.read(at, 8*count)
	if err != nil {
		return err
	}
	last := uint64(1)
	for ; len(list) > 0; list = list[8:] {
		id := order.Uint64(list)
		if id <= last || id >= p.file.meta.Pages {
			return p.damage("page %d follows on page %d", id, last)
		}
		if !c.tree.used.add(id, 1) {
			return p.damage("page %d is in use", id)
		}
		last = id
	}
	return nil
}
