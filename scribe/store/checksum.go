package store

import (
	"hash/crc32"
	"io"
)

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

// tally is what tells the contents of files apart. It takes in what is written to it.
type tally struct {
	bytes int64
	crc   uint32 // CRC-32C
	last  byte   // 0 if there is none
}

func (t *tally) Write(p []byte) (int, error) {
	if len(p) > 0 {
		t.bytes += int64(len(p))
		t.crc = crc32.Update(t.crc, castagnoli, p)
		t.last = p[len(p)-1]
	}
	return len(p), nil
}

func tallyOf(r io.Reader) (tally, error) {
	var t tally
	_, err := io.CopyBuffer(&t, r, make([]byte, pieceSize))
	return t, err
}
