package spool

import (
	"bytes"
	"io"
	"testing"
)

// countingReader counts the bytes that are read.
type countingReader struct {
	io.ReaderAt
	n int64
}

func (c *countingReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.n += int64(n)
	return n, err
}

// TestSalvageReadsNothingTwice: between sound blocks there are gaps by the thousand, of a page or less.
func TestSalvageReadsNothingTwice(t *testing.T) {
	const blocks, each, gap = 1000, 20_000, 1000
	file := &countingReader{ReaderAt: bytes.NewReader(make([]byte, blocks*(each+gap)))}
	l := &surveyed{}
	for i := range int64(blocks) {
		l.blocks = append(l.blocks, stored{first: uint64(i), count: 1, at: i * (each + gap), size: each})
	}
	s := &survey{r: file, size: blocks * (each + gap), logs: map[string]*surveyed{"a": l}, names: map[uint32]string{1: "a"}}
	s.carve(openings{of: map[uint32][]hole{1: {{blocks, blocks + 1}}}})
	if file.n > blocks*gap {
		t.Errorf("read %d bytes, there are %d beside the blocks", file.n, blocks*gap)
	}
}
