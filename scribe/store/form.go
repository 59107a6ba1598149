package store

import (
	"fmt"
	"slices"
	"sync"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
)

// Form is how lines stand in a log's files.
type Form string

// The forms.
const (
	// Plain: the lines alone.
	Plain Form = "plain" // as is ""
	// Frames: zstd frames one after the other, of which each holds the lines of a block, or the rest of one whose first
	// lines were there already. The file is what the tool zstd reads as one. The frame that a block brings is written as it
	// came, if block.IsFrame says so: then it is neither decoded nor encoded here.
	Frames Form = "zstd"
)

// forms are the forms by their number in the ledger.
var forms = [...]Form{Plain, Frames}

func (f Form) number() byte { return byte(max(0, slices.Index(forms[:], f))) }

// formOf returns the form of that number. The error wraps ErrVersion.
func formOf(number byte) (Form, error) {
	if int(number) >= len(forms) {
		return "", fmt.Errorf("%w: its form is %d, this release knows %d", ErrVersion, number, len(forms))
	}
	return forms[number], nil
}

// extension returns what the form adds to the names of files.
func (f Form) extension() string {
	if f == Frames {
		return Zstd.extension()
	}
	return ""
}

// active returns the path of a log's active file below the root.
func (f Form) active(log string) string { return logname.Active(log) + f.extension() }

// rotated returns the path below the root of the file that a rotation at that time makes, in microseconds since 1970 UTC.
func (f Form) rotated(log string, stamp int64) string {
	return rotatedName(log, stamp, f.extension())
}

// TakesFrame says whether the store would write the block's payload to its log's file as it is. Then Append does not
// need the block's lines.
func (s *Store) TakesFrame(b *block.Block) bool { return s.log(b.Log).form == Frames && b.IsFrame() }

// frameBuffers are for frames that are made here.
var frameBuffers = sync.Pool{New: func() any { return new([]byte) }}

// encode returns the lines as they stand in the log's file. It may use buf for that, and the result is valid until that is
// used again.
func (l *logFile) encode(lines []byte, buf *[]byte) []byte {
	if l.form == Plain || len(lines) == 0 {
		return lines
	}
	*buf = block.AppendFrame((*buf)[:0], lines)
	return *buf
}

// record returns what is to stand in the log's file for the block, as encode does: the frame that it brings, if it does.
func (l *logFile) record(b *Block, buf *[]byte) ([]byte, error) {
	if l.form == Frames && b.IsFrame() {
		return b.Payload, nil
	}
	if err := b.decode(); err != nil {
		return nil, err
	}
	return l.encode(b.Lines, buf), nil
}

// decode makes sure that the block has its lines.
func (b *Block) decode() (err error) {
	if b.Lines == nil {
		b.Lines, err = b.Block.Lines(nil)
	}
	return err
}

// skip takes the block's first n lines away, and returns what is to stand in the file for the others, as encode does.
func (l *logFile) skip(b *Block, n uint64, buf *[]byte) ([]byte, error) {
	if err := b.decode(); err != nil {
		return nil, err
	}
	b.Lines = skipLines(b.Lines, n)
	return l.encode(b.Lines, buf), nil
}
