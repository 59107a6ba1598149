package store

import (
	"hash/crc32"
	"io"
)

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
