package tail

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// After the loss of a spool the checkpoints that its blocks carried come back from the Scribes. They say what is safe,
// and nothing of files whose lines were still in the spool, or that never had any. Such files are found by the first
// scan, and judged as follows:
//
//   - One that has come to a path with known generations is what settle takes it for.
//   - A rotated name of such a path, older than all its known generations, was read: a log gets the lines of a path's
//     generations in their order. It was forgotten, because there are so many.
//   - In a section with FromEnd, one that was last written before the identity was first heard of was there at the very
//     first start, and is skipped.
//   - Any other is new, and read from its beginning.

// resumedKey is present from Resumed until the first scan is done. Its value is the argument since of Resumed, in
// nanoseconds since 1970, 8 bytes big-endian; 0 if it could not be told.
const resumedKey = keyPrefix + "resumed"

// resumed is the value of resumedKey.
type resumed struct{ since int64 }

func newResumed(value []byte) *resumed {
	if len(value) != 8 {
		return nil
	}
	return &resumed{since: int64(binary.BigEndian.Uint64(value))}
}

// passed says whether a file that a scan has just found, and that no checkpoint is known of, is not to be read but for
// what is written to it from now on. It must be asked before any file of the scan gets a lineage.
func (s *Source) passed(m *match) bool {
	switch {
	case !s.first:
		return false
	case s.resumed == nil:
		return m.section.fromEnd
	case m.section.fromEnd && m.stat.mtime < s.resumed.since:
		return true
	}
	known := slices.ContainsFunc(s.lineagesRotatedTo(m.path), func(l *lineage) bool {
		return s.floorOf(l).above(sibling{path: m.path, stat: m.stat})
	})
	if known {
		s.log.Info("file is taken for read: it is older than what the Scribes know of its path", "path", m.path, "bytes", m.stat.size)
	}
	return known
}

// Resumed returns the checkpoints to put into an empty spool so that a source goes on where those that Scribes know of
// end; none if there are none, which is a first start. Several of one file may be known, from several logs and Scribes:
// the latest counts. Of an inode that was one path's file and then another's, both are kept: what has come to the first path
// since is new only where that is known. since is when the identity was first heard of, in nanoseconds since 1970; 0 if that
// can't be told.
func Resumed(known []block.Checkpoint, since int64) []spool.Checkpoint {
	latest := map[string][]byte{}
	keep := func(key string, value []byte) {
		if before, ok := latest[key]; !ok || later(key, value, before) {
			latest[key] = value
		}
	}
	for _, c := range known {
		if strings.HasPrefix(c.Source, keyPrefix) {
			keep(c.Source, c.Value)
		}
	}
	for _, c := range known {
		if last, ok := latest[c.Source]; ok && ofAnotherPath(c.Source, c.Value, last) {
			earlier, _ := decodeCheckpoint(c.Source, c.Value)
			keep(orphanKey(earlier.id), c.Value)
		}
	}
	if len(latest) == 0 {
		return nil
	}
	all := []spool.Checkpoint{{Key: resumedKey, Value: binary.BigEndian.AppendUint64(nil, uint64(since))}}
	for key, value := range latest {
		all = append(all, spool.Checkpoint{Key: key, Value: value})
	}
	return all
}

// ofAnotherPath says whether the checkpoints a and b of one inode are those of files of different paths.
func ofAnotherPath(key string, a, b []byte) bool {
	x, err := decodeCheckpoint(key, a)
	if err != nil {
		return false
	}
	y, err := decodeCheckpoint(key, b)
	return err == nil && x.path != y.path && !x.id.same(y.id)
}

// later says whether the checkpoint a was taken after b, both of the same inode. One of a file that was born later is;
// of one file, that with the later modification, or further on. A position alone does not tell: it goes back when a file
// is truncated.
func later(key string, a, b []byte) bool {
	x, err := decodeCheckpoint(key, a)
	if err != nil {
		return false
	}
	y, err := decodeCheckpoint(key, b)
	if err != nil {
		return true
	}
	c := 0
	if x.id.born != 0 && y.id.born != 0 {
		c = cmp.Compare(x.id.born, y.id.born)
	}
	return cmp.Or(c, cmp.Compare(x.mtime, y.mtime), cmp.Compare(x.position, y.position)) > 0
}
