package spool

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// origin is where the spool's file was last written to. A copy of the file stands elsewhere: it has another inode or is
// on another disk, or its disk was cloned and belongs to a host that was started since. An origin record stores it:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       16     the host's boot, as the system names it; zeros if it does not
//	17      8      device
//	25      8      inode
//	33      8      birth of the file, nanoseconds since 1970 UTC, 0 if the file system does not tell
type origin struct {
	boot          [16]byte
	device, inode uint64
	born          int64
}

const (
	originVersion = 1
	originFile    = 17 // offset of what names the file
)

func encodeOrigin(o origin) []byte {
	buf := append([]byte{originVersion}, o.boot[:]...)
	buf = binary.BigEndian.AppendUint64(buf, o.device)
	buf = binary.BigEndian.AppendUint64(buf, o.inode)
	return binary.BigEndian.AppendUint64(buf, uint64(o.born))
}

func originOf(path string) (origin, error) {
	info, err := os.Stat(path)
	if err != nil {
		return origin{}, err
	}
	o := origin{boot: boot(), born: born(path)}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		o.device, o.inode = uint64(st.Dev), uint64(st.Ino) // their types differ between systems
	}
	return o, nil
}

// checkOrigin enters the file's origin in meta. If it is another than before, the file may be a copy, whose original
// numbers its lines under the same producer: so the spool takes a new one for the lines to come. Those that it holds keep
// theirs, because the original has the same.
func (s *Spool) checkOrigin(meta *bolt.Bucket) error {
	o, err := originOf(s.path)
	if err != nil {
		return err
	}
	now, before := encodeOrigin(o), meta.Get(keyOrigin)
	if bytes.Equal(now, before) {
		return nil
	}
	if before != nil {
		why := "the spool's file is not the one that was last used here, but a copy of it, or an earlier state that was restored: its new " +
			"lines get a new producer; what is read from files again since that state stands twice"
		if len(before) == len(now) && bytes.Equal(before[originFile:], now[originFile:]) {
			why = "the host was started since the spool was last used: in case its disk was cloned, its new lines get a new producer"
		}
		if err := s.current.renew(meta); err != nil {
			return err
		}
		s.logger.Info(why, "spool", s.path, "producer", s.current.producer)
	}
	return meta.Put(keyOrigin, now)
}
