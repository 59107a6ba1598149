package store

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C (Castagnoli) of a file's bytes. It is known if the store has written all of them: then it costs
// next to nothing, and tells one day whether they are still the same.
type checksum struct {
	crc   uint32
	known bool
}

// emptySum is the checksum of an empty file.
var emptySum = checksum{known: true}

// with returns the checksum of the file once p is appended.
func (c checksum) with(p []byte) checksum {
	if !c.known {
		return c
	}
	return checksum{crc32.Update(c.crc, castagnoli, p), true}
}
