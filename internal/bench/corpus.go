package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/logscribe/logscribe/internal/madelines"
)

// corpus is a supply of lines, each ended by a newline. It is not safe for concurrent use.
type corpus interface {
	// next appends the next line to buf.
	next(buf []byte) []byte
	// about says where the lines come from.
	about() string
}

// input is a file of lines.
type input struct {
	path  string
	lines int
	bytes int64
}

// writeInput writes the next n lines of the corpus to a new file.
func writeInput(path string, c corpus, n int) (in input, err error) {
	file, err := os.Create(path)
	if err != nil {
		return input{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriterSize(file, 1<<20)
	in = input{path: path, lines: n}
	var line []byte
	for range n {
		line = c.next(line[:0])
		in.bytes += int64(len(line))
		if _, err := w.Write(line); err != nil {
			return input{}, err
		}
	}
	if err := w.Flush(); err != nil {
		return input{}, err
	}
	return in, file.Sync() // or writing it back disturbs what is measured
}

// repeated is a corpus of given lines, in their order, again and again.
type repeated struct {
	dir   string
	lines [][]byte
	at    int
}

// readCorpus reads the files *.log of a folder in the order of their names. Empty lines are left out, and so is a carriage
// return at a line's end: some of the peers do not carry them, by design.
func readCorpus(dir string) (*repeated, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return nil, fmt.Errorf("-corpus %s: %w", dir, err)
	}
	c := &repeated{dir: dir}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("-corpus: %w", err)
		}
		for line := range bytes.Lines(text) {
			if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
				c.lines = append(c.lines, append(line[:len(line):len(line)], '\n'))
			}
		}
	}
	if len(c.lines) == 0 {
		return nil, fmt.Errorf("-corpus %s: no lines in files *.log there", dir)
	}
	return c, nil
}

func (c *repeated) next(buf []byte) []byte {
	line := c.lines[c.at]
	c.at = (c.at + 1) % len(c.lines)
	return append(buf, line...)
}

func (c *repeated) about() string {
	return fmt.Sprintf("%d lines of %s, repeated in order", len(c.lines), filepath.Join(c.dir, "*.log"))
}

// made is a corpus of lines that are made up.
type made struct {
	seed  uint64
	lines *madelines.Lines
}

func madeCorpus(seed uint64) *made { return &made{seed, madelines.New(seed)} }

func (c *made) next(buf []byte) []byte { return c.lines.Next(buf) }

func (c *made) about() string { return fmt.Sprintf("made up with seed %d", c.seed) }
