package spool

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/logscribe/logscribe/internal/block"
)

// A block record is the value that stores one block. Its first sequence and its log are in the key, its producer is the
// spool's.
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       1      codec
//	2       4      number of lines
//	6       4      size of the decoded payload in bytes
//	10      4      CRC-32C as in package block
//	14      8      when it was stored, nanoseconds since 1970 UTC
//	22      n      payload
const (
	recordVersion = 1
	recordHeader  = 22
)

// blockKey returns the key of the block that begins at sequence first of log number id.
func blockKey(id uint32, first uint64) []byte {
	key := make([]byte, 0, 12)
	key = binary.BigEndian.AppendUint32(key, id)
	return binary.BigEndian.AppendUint64(key, first)
}

// keySequence returns the first sequence in a block's key, and whether the key is one of log number id.
func keySequence(key []byte, id uint32) (uint64, bool) {
	if len(key) != 12 || binary.BigEndian.Uint32(key) != id {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[4:]), true
}

func encodeRecord(buf []byte, b *block.Block, stored time.Time) []byte {
	buf = append(buf, recordVersion, byte(b.Codec))
	buf = binary.BigEndian.AppendUint32(buf, b.Count)
	buf = binary.BigEndian.AppendUint32(buf, b.RawSize)
	buf = binary.BigEndian.AppendUint32(buf, b.CRC)
	buf = binary.BigEndian.AppendUint64(buf, uint64(stored.UnixNano()))
	return append(buf, b.Payload...)
}

// decodeRecord returns the block in a record, without log, producer and first sequence, and when it was stored. The
// payload is part of the record's memory.
func decodeRecord(value []byte) (block.Block, time.Time, error) {
	if len(value) < recordHeader {
		return block.Block{}, time.Time{}, fmt.Errorf("%w: a block record of %d bytes is too short", ErrDamaged, len(value))
	}
	if value[0] != recordVersion {
		return block.Block{}, time.Time{}, fmt.Errorf("%w: block record version %d, this release reads %d", ErrVersion, value[0], recordVersion)
	}
	b := block.Block{
		Codec:   block.Codec(value[1]),
		Count:   binary.BigEndian.Uint32(value[2:]),
		RawSize: binary.BigEndian.Uint32(value[6:]),
		CRC:     binary.BigEndian.Uint32(value[10:]),
		Payload: value[recordHeader:],
	}
	return b, time.Unix(0, int64(binary.BigEndian.Uint64(value[14:]))), nil
}
