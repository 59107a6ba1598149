package tail

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// CheckpointPrefix begins the keys of all checkpoints of this source.
const CheckpointPrefix = "file/"

// Keys of the source's checkpoints in the spool.
const (
	keyPrefix  = CheckpointPrefix
	startedKey = keyPrefix + "started" // present once the first scan is done; its value is that of a sight
)

// checkpoint is how far one generation of a file has been read. Its key is file/<device>-<inode>, both in hexadecimal,
// or file/<device>-<inode>-<birth> if the inode is another file's by now.
// Its value, integers big-endian:
//
//	offset  width  meaning
//	0       1      version of this layout, 2
//	1       8      device
//	9       8      inode
//	17      8      time of birth, nanoseconds since 1970, 0 if unknown; of an orphan without one what orphanedAs says
//	25      8      position: all bytes before it are in the spool; it is the end of a line
//	33      8      time of the last modification that was seen while the file was at its path, nanoseconds since 1970
//	41      8      time of the last modification before the file was last looked into, nanoseconds since 1970; 0 if that
//	               was so short before that it tells nothing; for a past generation (see past.go) minus the time by which it
//	               was gone
//	49      8      ordinal of the generation at its path: a later one has a higher one; 0 for a file that is never read,
//	               because it was rotated away before its path was first seen
//	57      2      head: number of bytes at the beginning of the file ...
//	59      16     ... and the first half of their SHA-256
//	75      2      tail: number of bytes before the position ...
//	77      16     ... and the first half of their SHA-256
//	93      8      grown: the size that the file was known to have by then; 0 or less than the position if that tells nothing
//	101     2      length of the path
//	103     n      path at which the file was found first, as the file system spells it
//	103+n   m      log's name, UTF-8
//
// Version 1 has no grown; the length of the path stands at 93. Of two values for one key, the one that is the greater as
// bytes is the later one.
type checkpoint struct {
	id         identity
	position   int64
	mtime      int64
	checked    int64
	past       bool
	ordinal    uint64
	head, tail probe
	grown      int64
	path, log  string
}

const (
	checkpointVersion = 2
	checkpointFixed   = 103
	checkpointFixed1  = 95
)

var (
	errCheckpointVersion = errors.New("checkpoint of an unknown version")
	errCheckpoint        = errors.New("damaged checkpoint")
)

func checkpointKey(i inode) string { return fmt.Sprintf("%s%x-%x", keyPrefix, i.dev, i.ino) }

// orphanKey is the key of a generation whose inode is another file's by now.
func orphanKey(id identity) string { return fmt.Sprintf("%s-%x", checkpointKey(id.inode), id.born) }

func (c *checkpoint) encode() []byte {
	be := binary.BigEndian
	checked := c.checked
	if c.past {
		checked = -checked
	}
	buf := make([]byte, 0, checkpointFixed+len(c.path)+len(c.log))
	buf = append(buf, checkpointVersion)
	for _, v := range []uint64{c.id.dev, c.id.ino, uint64(c.id.born), uint64(c.position), uint64(c.mtime), uint64(checked), c.ordinal} {
		buf = be.AppendUint64(buf, v)
	}
	for _, p := range []probe{c.head, c.tail} {
		buf = be.AppendUint16(buf, p.size)
		buf = append(buf, p.sum[:]...)
	}
	buf = be.AppendUint64(buf, uint64(c.grown))
	buf = be.AppendUint16(buf, uint16(len(c.path)))
	buf = append(buf, c.path...)
	return append(buf, c.log...)
}

// decodeCheckpoint returns an error that wraps errCheckpointVersion or errCheckpoint.
func decodeCheckpoint(key string, buf []byte) (checkpoint, error) {
	var c checkpoint
	if len(buf) > 0 && (buf[0] == 0 || buf[0] > checkpointVersion) {
		return c, fmt.Errorf("%w: %q has version %d, this release reads up to %d", errCheckpointVersion, key, buf[0], checkpointVersion)
	}
	fixed := checkpointFixed
	if len(buf) > 0 && buf[0] == 1 {
		fixed = checkpointFixed1
	}
	if len(buf) < fixed {
		return c, fmt.Errorf("%w: %q is %d bytes long, want at least %d", errCheckpoint, key, len(buf), fixed)
	}
	be := binary.BigEndian
	c.id = identity{inode: inode{dev: be.Uint64(buf[1:]), ino: be.Uint64(buf[9:])}, born: int64(be.Uint64(buf[17:]))}
	c.position, c.mtime, c.ordinal = int64(be.Uint64(buf[25:])), int64(be.Uint64(buf[33:])), be.Uint64(buf[49:])
	if c.checked = int64(be.Uint64(buf[41:])); c.checked < 0 {
		c.past, c.checked = true, -c.checked
	}
	c.head = probe{size: be.Uint16(buf[57:]), sum: [16]byte(buf[59:75])}
	c.tail = probe{size: be.Uint16(buf[75:]), sum: [16]byte(buf[77:93])}
	if fixed == checkpointFixed {
		c.grown = int64(be.Uint64(buf[93:]))
	}
	n := int(be.Uint16(buf[fixed-2:]))
	switch {
	case len(buf) < fixed+n:
		return c, fmt.Errorf("%w: %q has a path of %d bytes and is only %d long", errCheckpoint, key, n, len(buf))
	case key != checkpointKey(c.id.inode) && key != orphanKey(c.id):
		return c, fmt.Errorf("%w: %q is of another file, %s", errCheckpoint, key, checkpointKey(c.id.inode))
	case c.position < 0 || c.grown < 0 || c.head.size > headSize || c.tail.size > tailSize ||
		int64(c.head.size) > c.position || int64(c.tail.size) > c.position:
		return c, fmt.Errorf("%w: %q has position %d, probes of %d and %d bytes", errCheckpoint, key, c.position, c.head.size, c.tail.size)
	}
	c.path, c.log = string(buf[fixed:fixed+n]), string(buf[fixed+n:])
	return c, nil
}
