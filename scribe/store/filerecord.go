package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// fileRecord is what the ledger keeps of a rotated file if all of it was written by the store, integers big-endian:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       1      form of the file: 0 plain, 1 zstd frames
//	2       8      its size in bytes
//	10      4      CRC-32C of its bytes
//
// It describes the file as rotated. Compression does not change it.
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
