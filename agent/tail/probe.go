package tail

import (
	"crypto/sha256"
	"io"
	"sync"
)

// Sizes of the probes in bytes.
const (
	headSize = 1024
	tailSize = 256
)

// probe is the fingerprint of a short piece of a file. The source takes two: of the file's head, and of the bytes right
// before the position it has reached. Files of equal heads (a banner, a CSV header) mostly differ there.
type probe struct {
	size uint16 // of the piece, in bytes
	sum  [16]byte
}

func probeOf(piece []byte) probe {
	sum := sha256.Sum256(piece)
	return probe{size: uint16(len(piece)), sum: [16]byte(sum[:16])}
}

func (p probe) matches(piece []byte) bool {
	return p.size == 0 && len(piece) == 0 || probeOf(piece) == p
}

// probes takes both probes for the position.
func probes(f io.ReaderAt, position int64) (head, tail probe, err error) {
	if head, err = probeAt(f, 0, min(position, headSize)); err != nil {
		return head, tail, err
	}
	size := min(position, tailSize)
	tail, err = probeAt(f, position-size, size)
	return head, tail, err
}

// probeBuffers keep the first look at very many files from making much garbage.
var probeBuffers = sync.Pool{New: func() any { return new([headSize]byte) }}

func probeAt(f io.ReaderAt, offset, size int64) (probe, error) {
	if size == 0 {
		return probe{}, nil
	}
	buf := probeBuffers.Get().(*[headSize]byte)
	defer probeBuffers.Put(buf)
	if n, err := f.ReadAt(buf[:size], offset); int64(n) < size {
		return probe{}, err
	}
	return probeOf(buf[:size]), nil
}

// verify says whether the file still begins with what gave these probes. An error of reading is not an answer.
func verify(f io.ReaderAt, position int64, head, tail probe) (bool, error) {
	for _, p := range []struct {
		probe
		offset int64
	}{{head, 0}, {tail, position - int64(tail.size)}} {
		switch got, err := probeAt(f, p.offset, int64(p.size)); {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case got != p.probe:
			return false, nil
		}
	}
	return true, nil
}
