package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// fileRecord is what the ledger keeps of a rotated file whose checksum is known, integers big-endian:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       1      form of the file: 0 plain, 1 zstd frames
//	2       8      its size in bytes
//	10      4      CRC-32C of its bytes
//
// It is about the file as it was when it was rotated: a plain file that was compressed since is still a plain one here.
type fileRecord struct {
	form Form
	size int64
	crc  uint32
}

// filledFile is a file that was just rotated, whose rotation is not committed yet.
type filledFile struct {
	rotatedFile
	form Form
	sum  checksum
}

func (f Form) filled(stamp, size int64, sum checksum) filledFile {
	return filledFile{rotatedFile{stamp: stamp, size: size, extension: f.extension()}, f, sum}
}

// putFiles stores the records of files that were rotated.
func putFiles(tx *bolt.Tx, log string, filled []filledFile) error {
	for _, f := range filled {
		if !f.sum.known {
			continue
		}
		if err := tx.Bucket(bucketFiles).Put(fileKey(log, f.stamp), encodeFile(fileRecord{f.form, f.size, f.sum.crc})); err != nil {
			return err
		}
	}
	return nil
}

const (
	fileVersion = 1
	fileSize    = 14
)

// fileKey returns the key of the file of that log that was rotated at that time.
func fileKey(log string, stamp int64) []byte {
	return binary.BigEndian.AppendUint64([]byte(log+"\x00"), uint64(stamp))
}

// splitFileKey is the reverse of fileKey.
func splitFileKey(key []byte) (log string, stamp int64, ok bool) {
	at := len(key) - 9
	if at < 0 || key[at] != 0 {
		return "", 0, false
	}
	return string(key[:at]), int64(binary.BigEndian.Uint64(key[at+1:])), true
}

func encodeFile(f fileRecord) []byte {
	buf := append(make([]byte, 0, fileSize), fileVersion, f.form.number())
	buf = binary.BigEndian.AppendUint64(buf, uint64(f.size))
	return binary.BigEndian.AppendUint32(buf, f.crc)
}

func decodeFile(key, value []byte) (f fileRecord, err error) {
	if len(value) > 0 && value[0] != fileVersion {
		return f, fmt.Errorf("%w: file record %q has version %d, this release reads %d", ErrVersion, key, value[0], fileVersion)
	}
	if len(value) != fileSize {
		return f, fmt.Errorf("%w: file record %q has %d bytes instead of %d", ErrDamaged, key, len(value), fileSize)
	}
	if f.form, err = formOf(value[1]); err != nil {
		return f, fmt.Errorf("file record %q: %w", key, err)
	}
	f.size, f.crc = int64(binary.BigEndian.Uint64(value[2:])), binary.BigEndian.Uint32(value[10:])
	return f, nil
}

// logsWithFiles returns the logs that have file records, in their order.
func (l *ledger) logsWithFiles() (logs []string, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketFiles).Cursor()
		for k, _ := c.First(); k != nil; {
			log, _, ok := splitFileKey(k)
			if !ok {
				return fmt.Errorf("%w: a file record has the key %q", ErrDamaged, k)
			}
			logs = append(logs, log)
			k, _ = c.Seek([]byte(log + "\x01")) // behind all of this log
		}
		return nil
	})
	return logs, err
}

// forgetFiles removes the records of the log's files up to the oldest one that exists.
func (l *ledger) forgetFiles(log string, exist map[int64]struct{}) error {
	for {
		gone, err := l.goneFiles(log, exist)
		if err != nil || len(gone) == 0 {
			return err
		}
		err = l.db.Update(func(tx *bolt.Tx) error {
			for _, k := range gone {
				if err := tx.Bucket(bucketFiles).Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("forget files: %w", err)
		}
	}
}

// goneFiles returns the keys that forgetFiles is to remove, at most forgetAtOnce.
func (l *ledger) goneFiles(log string, exist map[int64]struct{}) (gone [][]byte, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketFiles).Cursor()
		prefix := []byte(log + "\x00")
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(gone) < forgetAtOnce; k, _ = c.Next() {
			_, stamp, _ := splitFileKey(k)
			if _, ok := exist[stamp]; ok {
				break
			}
			gone = append(gone, bytes.Clone(k))
		}
		return nil
	})
	return gone, err
}
