// Package cut parts the bytes that a source has read into the lines of blocks.
//
// It never looks at lines singly: it looks for newlines from the ends of windows, so that its work grows with the number
// of blocks, not of lines. A line that is longer than the source's limit is cut into pieces, each of which becomes a
// line, so that no line can use up memory or hold up its neighbours.
package cut

import (
	"bytes"

	"github.com/logscribe/logscribe/internal/block"
)

// Piece is what becomes one block: whole lines of block.TargetRawSize bytes at most, or one line that is longer.
type Piece struct {
	Size   int  // in bytes, 0 if the data has no whole line
	Broken bool // it does not end in a newline: Cut, or the end of the source
	Cut    bool // it is a piece of a line that is too long, and not the last
}

// Next returns the first piece of data. Lines of more than maxLine bytes, without their newline, are broken. With final,
// data is all that will ever come.
func Next(data []byte, maxLine int, final bool) Piece {
	window := min(block.TargetRawSize, maxLine+1)
	size := 0
	for size+window <= block.TargetRawSize { // more than once only where maxLine is small
		w := data[size:min(len(data), size+window)]
		i := bytes.LastIndexByte(w, '\n')
		size += i + 1
		if i < 0 || len(w) < window {
			break
		}
	}
	if size > 0 {
		return Piece{Size: size}
	}
	// The first line does not end within the window.
	if window < len(data) {
		if i := bytes.IndexByte(data[window:min(len(data), maxLine+1)], '\n'); i >= 0 {
			return Piece{Size: window + i + 1}
		}
	}
	switch {
	case len(data) > maxLine:
		return Piece{Size: maxLine, Broken: true, Cut: true}
	case final:
		return Piece{Size: len(data), Broken: len(data) > 0}
	}
	return Piece{}
}

// Draft makes a block of the piece of data. To one that is broken it adds a newline, and the mark before it if it is cut;
// for that data must have room for them beyond its length. The payload is appended to dst.
func (p Piece) Draft(dst []byte, log string, data []byte, codec block.Codec, mark string) block.Draft {
	if !p.Broken {
		return block.NewDraft(dst, log, data[:p.Size], codec)
	}
	ending := "\n"
	if p.Cut {
		ending = mark + ending
	}
	line := data[:p.Size+len(ending)]
	saved := bytes.Clone(line[p.Size:])
	copy(line[p.Size:], ending)
	draft := block.NewDraft(dst, log, line, codec)
	copy(line[p.Size:], saved)
	return draft
}
