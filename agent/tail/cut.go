package tail

import (
	"bytes"

	"github.com/logscribe/logscribe/internal/block"
)

// cutter finds the blocks in a run of bytes. It looks for newlines from the ends of windows, so that its work grows with
// the number of blocks, not of lines.
type cutter struct {
	maxLine int // bytes of a line without its newline
}

// piece is what becomes one block.
type piece struct {
	size   int  // in bytes, 0 if data has no whole line
	broken bool // it does not end in a newline: a piece of a line that is too long, or a file's unfinished end
}

// next returns the first piece of data. With final, data is all that will ever come.
func (c *cutter) next(data []byte, final bool) piece {
	window := min(block.TargetRawSize, c.maxLine+1)
	size := 0
	for size+window <= block.TargetRawSize {
		w := data[size:min(len(data), size+window)]
		i := bytes.LastIndexByte(w, '\n')
		size += i + 1
		if i < 0 || len(w) < window {
			break
		}
	}
	if size > 0 {
		return piece{size: size}
	}
	// The first line does not end within the window.
	if window < len(data) {
		if i := bytes.IndexByte(data[window:min(len(data), c.maxLine+1)], '\n'); i >= 0 {
			return piece{size: window + i + 1}
		}
	}
	switch {
	case len(data) > c.maxLine:
		return piece{size: c.maxLine, broken: true}
	case final:
		return piece{size: len(data), broken: len(data) > 0}
	}
	return piece{}
}

// draft makes a block of data[:p.size], whose capacity has room for one byte more, and appends its payload to dst.
func (p piece) draft(dst []byte, log string, data []byte, codec block.Codec) block.Draft {
	if !p.broken {
		return block.NewDraft(dst, log, data[:p.size], codec)
	}
	line := data[:p.size+1]
	saved := line[p.size]
	line[p.size] = '\n'
	draft := block.NewDraft(dst, log, line, codec)
	line[p.size] = saved
	return draft
}
