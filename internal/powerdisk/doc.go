// Package powerdisk is a disk for tests whose power can be cut: it knows which of the bytes written to it would have
// survived.
//
// A real disk has a cache. What was written to it is safe once the disk has confirmed a flush that came later; until
// then a loss of power may keep all of it, nothing, or any part, in any order. This disk keeps both: what reads see, and
// what has been flushed, with the writes in between. Image builds from them, at any instant, a disk as it may be found
// after the power came back, while the programs that write to it just go on.
//
// The disk is a file that this process serves to the kernel through FUSE. A loop device makes a block device of the
// file, and an ext4 file system lies on that: so every write and flush of the file system passes through here, as it
// would to a disk. All of it needs root; New says so with ErrUnable.
//
// The process that serves a disk must not map files that lie on it into its memory, as bbolt does: where the garbage
// collector waits for a page, nobody serves it. Whoever uses the disk is another process.
package powerdisk
