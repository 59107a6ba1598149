package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// corpusDir holds files of real log lines. Where it is missing, the tests make lines of the same shapes.
const corpusDir = "../../shared/corpus"

// corpus is a supply of lines, each ended by a newline.
type corpus struct {
	lines [][]byte
}

// realistic is made once.
var realistic = sync.OnceValue(func() *corpus {
	c := &corpus{}
	files, _ := filepath.Glob(filepath.Join(corpusDir, "*.log")) // the pattern is valid
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, line := range bytes.SplitAfter(text, []byte{'\n'}) {
			if len(line) > 0 {
				c.lines = append(c.lines, ended(line))
			}
		}
	}
	if len(c.lines) == 0 {
		c.lines = madeUp()
	}
	return c
})

// ended returns the line with a newline at its end.
func ended(line []byte) []byte {
	if line[len(line)-1] == '\n' {
		return line
	}
	return append(line[:len(line):len(line)], '\n')
}

// madeUp returns lines such as servers write, about 150 bytes each.
func madeUp() [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var lines [][]byte
	for i := range 20000 {
		end := "\n"
		if rng.IntN(2) == 0 {
			end = "\r\n"
		}
		words := strings.Repeat(fmt.Sprintf("blk_%d ", rng.Uint32()), 1+rng.IntN(12))
		lines = append(lines, fmt.Appendf(nil, "2026-01-02 03:04:%02d,%03d INFO server.worker-%d [%x] %s%s",
			i/1000%60, i%1000, rng.IntN(64), rng.Uint64(), words, end))
	}
	return lines
}

// line returns one of the lines at random; the odd ones among them are such as to break naive readers.
func (c *corpus) line(rng *rand.Rand) []byte {
	switch rng.IntN(400) {
	case 0:
		return []byte("\n")
	case 1:
		return []byte("\r\n")
	case 2:
		return []byte("a\x00NUL\x00\x00 and more\n")
	case 3:
		return []byte("\xff\xfe not UTF-8 \xc3\x28 \xed\xa0\x80\n")
	case 4:
		return []byte("CR\rin\r\rthe middle\r\n")
	case 5:
		return []byte("\xef\xbb\xbfbyte order mark, \u2028 line separator, \x85 next line, \v\f\x1b[31m\n")
	case 6:
		return c.longLine(rng, 1+rng.IntN(70_000))
	case 7:
		if rng.IntN(20) == 0 {
			return c.longLine(rng, 200_000+rng.IntN(400_000))
		}
	}
	return c.lines[rng.IntN(len(c.lines))]
}

func (c *corpus) longLine(rng *rand.Rand, n int) []byte {
	line := make([]byte, 0, n+1)
	for len(line) < n {
		next := c.lines[rng.IntN(len(c.lines))]
		line = append(line, next[:min(len(next)-1, n-len(line))]...)
		line = append(line, ' ')
	}
	return append(line, '\n')
}

// write writes n lines to the file at path, the plain ones in order, and returns their bytes.
func (c *corpus) write(path string, n int) (size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var buf []byte
	for i := range n {
		buf = append(buf, c.lines[i%len(c.lines)]...)
		if len(buf) > 1<<20 || i == n-1 {
			if _, err := f.Write(buf); err != nil {
				return 0, err
			}
			size += int64(len(buf))
			buf = buf[:0]
		}
	}
	return size, nil
}
