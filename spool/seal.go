package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// A record without which others can't be trusted ends in a checksum, the CRC-32C of its key and of all before it: one
// flipped bit in a log's numbers would take all its blocks for damaged, or number lines twice.
const sealSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal appends the checksum to the value.
func seal(key, value []byte) []byte {
	return binary.BigEndian.AppendUint32(value, sum(key, value))
}

// unseal returns the value without its checksum, and whether that fits.
func unseal(key, sealed []byte) (value []byte, ok bool) {
	if len(sealed) < sealSize {
		return nil, false
	}
	value = sealed[:len(sealed)-sealSize]
	return value, binary.BigEndian.Uint32(sealed[len(value):]) == sum(key, value)
}

func sum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}
