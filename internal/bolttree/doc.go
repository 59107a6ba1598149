// Package bolttree reads bbolt files without bbolt: to say whether a file is sound before bbolt maps it into memory, and
// to read what is left of one that is not.
//
// bbolt trusts its pages. A flipped bit, a zeroed or a missing page makes it panic, in goroutines of its own too, fault
// on its memory map, loop, or free pages that are in use. None of that can be caught from outside, so it must not see
// such a file.
//
// # Invariants
//
//   - Whatever the bytes, nothing here panics, loops, or takes memory beyond a small multiple of what is read: every
//     number is held against the file before it is used.
//   - Nothing is written here, and nothing is mapped: a file that shrinks meanwhile is an error of a read.
//   - What Check passes, bbolt can open, read and change: it looks at each number that bbolt goes by. Only values are
//     left to their owner.
//   - What SoundButSingles passes is so too, once each single (see single.go) begins with its Head: that is left to who lets bbolt
//     go there. Whatever its pages hold, no other page is among them.
//
// # Layout of a bbolt file
//
// Numbers are in the byte order of the host. The file is pages of one size; a page that needs more room is continued in
// the pages behind it, its overflow. Pages 0 and 1 are metas; each transaction overwrites the older one, and points it
// to a new tree, whose pages it has written before. A page:
//
//	offset  width  meaning
//	0       8      the page's own number
//	8       2      kind: 1 branch, 2 leaf, 4 meta, 16 list of free pages
//	10      2      number of elements
//	12      4      overflow: number of pages behind it that belong to it
//	16             elements, 16 bytes each, then their keys and values without a hole, in order
//
// An element of a leaf:
//
//	offset  width  meaning
//	0       4      1 if the value is a bucket, else 0
//	4       4      distance from the element to its key; the value follows the key
//	8       4      length of the key
//	12      4      length of the value
//
// An element of a branch has the first key of a page below it:
//
//	offset  width  meaning
//	0       4      distance from the element to its key
//	4       4      length of the key
//	8       8      number of the page below
//
// The root is a tree of buckets. A bucket's value is the number of its tree's root page and a counter, 8 bytes each; if
// the number is 0 the tree is a single leaf, which follows within the value. The files of this project have nothing but
// buckets in the root, and in these values or buckets of values; a file with other things in it is called damaged.
//
// (go.etcd.io/bbolt, internal/common)
package bolttree
