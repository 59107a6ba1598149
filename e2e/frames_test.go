package e2e

import (
	"hash/crc32"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/logscribe/logscribe/internal/block"
)

// walked is how far a file of frames has been read, by its path. A file is polled very often, and grows.
var walked struct {
	sync.Mutex
	files map[string]walk
}

// walk is what is known of a file of frames.
type walk struct {
	last, end int64 // where the last whole frame begins and ends
	sum       uint32
	lines     int64 // bytes that all whole frames decode to
}

// linesSize returns the bytes of the lines in a file, plain or of whole frames; 0 if it is renamed right now.
func linesSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if !strings.HasSuffix(path, ".zst") {
		return info.Size()
	}
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	walked.Lock()
	defer walked.Unlock()
	w, err := walked.files[path].on(file)
	if err != nil {
		return 0
	}
	if walked.files == nil {
		walked.files = map[string]walk{}
	}
	walked.files[path] = w
	return w.lines
}

// on walks on to the last whole frame, from the file's beginning if it is not the one that it was: cut back, or another.
func (w walk) on(file *os.File) (walk, error) {
	text, err := io.ReadAll(io.NewSectionReader(file, w.last, 1<<40))
	if err != nil {
		return w, err
	}
	if known := w.end - w.last; int64(len(text)) < known || crc32.ChecksumIEEE(text[:known]) != w.sum {
		return walk{}.on(file)
	}
	text = text[w.end-w.last:]
	for {
		n, content, ok := block.Frame(text)
		if !ok {
			return w, nil
		}
		w = walk{last: w.end, end: w.end + int64(n), sum: crc32.ChecksumIEEE(text[:n]), lines: w.lines + int64(content)}
		text = text[n:]
	}
}
