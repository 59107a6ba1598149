package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"
)

// difference is what differs between what was written and what has arrived, in lines.
type difference struct {
	Missing    int `json:"missing"`
	Repeated   int `json:"repeated"`
	OutOfOrder int `json:"out_of_order"` // lines that stand behind one that was written later
	Foreign    int `json:"foreign"`      // lines that were never written
}

func (d *difference) add(more difference) {
	d.Missing += more.Missing
	d.Repeated += more.Repeated
	d.OutOfOrder += more.OutOfOrder
	d.Foreign += more.Foreign
}

func (d difference) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{d.Missing, "missing"}, {d.Repeated, "repeated"}, {d.OutOfOrder, "out of order"}, {d.Foreign, "foreign"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// compare compares what has arrived with the input byte for byte, and counts lines if they differ.
func compare(in input, out *output) (difference, error) {
	same, err := bothOf(in, out, sameBytes)
	if err != nil || same {
		return difference{}, err
	}
	return bothOf(in, out, countDifference)
}

func bothOf[T any](in input, out *output, f func(want, got io.Reader) (T, error)) (T, error) {
	var zero T
	want, err := os.Open(in.path)
	if err != nil {
		return zero, err
	}
	defer want.Close()
	got, err := out.open()
	if err != nil {
		return zero, err
	}
	defer got.Close()
	return f(want, got)
}

// sameBytes says whether both readers give the same bytes.
func sameBytes(want, got io.Reader) (bool, error) {
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, errA := io.ReadFull(want, a)
		m, errB := io.ReadFull(got, b)
		if !bytes.Equal(a[:n], b[:m]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if errA != nil || errB != nil {
			return true, nil // they end together: the last pieces are of one length
		}
	}
}

// countDifference counts the lines that differ. Of lines that were written more than once, those that arrive are taken for
// the earliest that have not arrived yet; so if one of them is lost, the later ones may be counted as out of order.
func countDifference(want, got io.Reader) (difference, error) {
	seed := maphash.MakeSeed()
	first := map[uint64]int32{} // line → number of the first one that has not arrived, -1 if all have
	var later []int32           // number → that of the next line that is the same, -1 for none
	last := map[uint64]int32{}
	err := eachLine(want, func(line []byte) {
		h, i := maphash.Bytes(seed, line), int32(len(later))
		if before, ok := last[h]; ok {
			later[before] = i
		} else {
			first[h] = i
		}
		last[h] = i
		later = append(later, -1)
	})
	if err != nil {
		return difference{}, err
	}
	d := difference{Missing: len(later)}
	highest := int32(-1)
	err = eachLine(got, func(line []byte) {
		h := maphash.Bytes(seed, line)
		switch i, ok := first[h]; {
		case !ok:
			d.Foreign++
		case i < 0:
			d.Repeated++
		default:
			first[h] = later[i]
			d.Missing--
			if i < highest {
				d.OutOfOrder++
			}
			highest = max(highest, i)
		}
	})
	return d, err
}

// eachLine calls f with each line, without its ending.
func eachLine(r io.Reader, f func(line []byte)) error {
	buffered := bufio.NewReaderSize(r, 1<<20)
	var long []byte
	for {
		line, err := buffered.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			continue
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if len(line) > 0 {
			f(bytes.TrimSuffix(line, []byte{'\n'}))
		}
		long = long[:0]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
