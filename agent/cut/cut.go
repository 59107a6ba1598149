// Package cut parts the bytes that a source has read into the lines of blocks.
//
// It never looks at lines singly: a block ends at the last newline that fits. A line that is longer than the source's
// limit is cut into pieces, each of which becomes a line, so that no line can use up memory or hold up its neighbours.
package cut

import (
	"bytes"

	"github.com/logscribe/logscribe/internal/block"
)

// Next returns how many bytes of raw, from its beginning, make the next block: whole lines of block.TargetRawSize bytes
// at most, or one line that is longer; 0 if raw holds no whole line yet. Where the line at the beginning is longer than
// maxLine bytes, not counting its newline, Next returns maxLine and whole is false: a newline has to be added to these
// bytes, and the line goes on behind them.
func Next(raw []byte, maxLine int) (n int, whole bool) {
	window := raw[:min(len(raw), block.TargetRawSize, maxLine+1)]
	if n := bytes.LastIndexByte(window, '\n') + 1; n > 0 {
		return n, true
	}
	if n := bytes.IndexByte(raw[len(window):min(len(raw), maxLine+1)], '\n') + 1; n > 0 {
		return len(window) + n, true
	}
	if len(raw) > maxLine {
		return maxLine, false
	}
	return 0, true
}
