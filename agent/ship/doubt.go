package ship

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxRefusals is how often a block is refused, in a stream of its own, before it is set aside.
const maxRefusals = 3

// doubt is what is known of a log that was refused as invalid, which is said of a log, not of a block: is it the log
// itself, or the block behind the last committed one? So the next stream only opens the log. If that is taken, the block
// goes alone, and when it has been refused alone often enough it is the block. The zero value is no doubt.
type doubt struct {
	asked bool // the last stream was refused: the next one only opens the log
	block bool // the log itself is taken
	times int  // the block was refused alone
}

// most returns the payload bytes that a turn of the log may bring.
func (d doubt) most() int {
	switch {
	case d.asked:
		return 0
	case d.block:
		return 1
	}
	return readChunk
}

// refused takes note of a refusal, before which some lines may have been committed, and says whether the log's oldest
// block must go.
func (d *doubt) refused(progress bool) (guilty bool) {
	switch {
	case progress, *d == doubt{}:
		*d = doubt{asked: true}
	case d.asked: // no block had a part in it
		*d = doubt{}
	default:
		d.times++
	}
	return d.times == maxRefusals
}

// taken takes note of a stream without a refusal, and says whether the doubt goes on.
func (d *doubt) taken() bool {
	*d = doubt{block: d.asked}
	return d.block
}

// mayBeOneLogs says whether a stream may have failed because of the blocks of one of its logs.
func mayBeOneLogs(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.Internal:
		return true
	}
	return false
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
