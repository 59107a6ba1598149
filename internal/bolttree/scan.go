package bolttree

// Leaves calls visit for each element of each page of the file that looks like a leaf, whether a tree leads to it or
// not: of older transactions too, of a page that stands in the wrong place, of one that is damaged in part, and what
// stands within a bucket's own value. sound says whether all is right with the page. The name of the bucket is known
// only for what stands within a bucket's value, else it is "". root is called for each sound page whose elements are all
// buckets, with their names.
func (f *File) Leaves(root func(id uint64, buckets []string), visit func(bucket string, e Element, sound bool)) {
	size := int64(f.meta.PageSize)
	for id := uint64(0); int64(id)*size+headerSize <= f.size; id++ { // also the rest of a page at which the file was cut
		p := &page{file: f, id: id, at: int64(id) * size}
		if p.readHead(int(min(size, f.size-p.at))) != nil || p.kind != kindLeaf || p.count == 0 {
			continue
		}
		p.pages = 1 + uint64(order.Uint32(p.head[12:]))
		p.extent = min(int64(p.pages)*size, f.size-p.at)
		elements, err := p.elements(nil, nil)
		if err != nil {
			elements = p.looseElements()
		}
		inPlace := id > 1 && order.Uint64(p.head) == id
		f.scan("", elements, err == nil && inPlace, visit)
		if names := bucketNames(elements); err == nil && inPlace && len(names) == len(elements) {
			root(id, names)
		}
	}
}

// scan visits the elements, and those of buckets whose only leaf stands within their value.
func (f *File) scan(bucket string, elements []element, sound bool, visit func(string, Element, bool)) {
	for _, e := range elements {
		if !e.bucket {
			visit(bucket, Element{Key: e.key, At: e.value, Size: e.size, file: f}, sound)
			continue
		}
		if root, _, err := f.bucketHeader(e); bucket != "" || err != nil || root != 0 {
			continue
		}
		p, err := f.inlinePage(e.value+bucketSize, e.size-bucketSize)
		if err != nil {
			continue
		}
		inner, err := p.elements(nil, nil)
		if err != nil {
			inner = p.looseElements()
		}
		f.scan(string(e.key), inner, sound && err == nil, visit)
	}
}

func bucketNames(elements []element) (names []string) {
	for _, e := range elements {
		if e.bucket {
			names = append(names, string(e.key))
		}
	}
	return names
}

// looseElements returns those elements of a damaged leaf that lie within it. What they hold may be anything.
func (p *page) looseElements() (all []element) {
	for i := range p.count {
		at := int64(headerSize + i*elementSize)
		if at+elementSize > p.extent {
			return all
		}
		b, err := p.read(at, elementSize)
		if err != nil {
			return all
		}
		key, keySize, size := at+int64(order.Uint32(b[4:])), int64(order.Uint32(b[8:])), int64(order.Uint32(b[12:]))
		bucket := order.Uint32(b)&flagBucket != 0
		if bucket { // what is left of one that was cut
			size = min(size, max(p.extent-key-keySize, 0))
		}
		if keySize == 0 || keySize > maxKeySize || key+keySize+size > p.extent {
			continue
		}
		k, err := p.read(key, keySize)
		if err != nil {
			continue
		}
		all = append(all, element{key: k, bucket: bucket, value: p.at + key + keySize, size: size})
	}
	return all
}
