package demo

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// count is what the files say of one log.
type count struct {
	log        string
	owners     []string // the Scribes that have files of it
	written    int      // lines in the application's file
	found      int      // lines in the Scribes' files
	lost       int      // written, and not found
	repeated   int      // found once more
	outOfOrder int      // found behind a later one
	altered    int      // found, and never written
	bytes      int64    // of the Scribes' files
}

func (c count) right() bool {
	return c.lost+c.repeated+c.outOfOrder+c.altered == 0 && c.found == c.written
}

// prove reads all files below dir and counts.
func prove(dir string) ([]count, error) {
	seed := maphash.MakeSeed()
	var all []count
	for _, log := range logs {
		written, err := readWritten(filepath.Join(dir, appDir, log+".log"), log, seed)
		if err != nil {
			return nil, err
		}
		c := count{log: log, written: len(written)}
		if err := c.read(dir, written, seed); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// readWritten returns a hash of each line in the application's file; they stand there in the order of their numbers.
func readWritten(file, log string, seed maphash.Seed) (hashes []uint64, err error) {
	err = eachLine(file, func(line []byte) error {
		if n, ok := numberOf(line, log); !ok || n != len(hashes)+1 {
			return fmt.Errorf("%s: line %d is not what the application wrote", file, len(hashes)+1)
		}
		hashes = append(hashes, maphash.Bytes(seed, line))
		return nil
	})
	return hashes, err
}

// read compares what stands in the Scribes' files with what was written.
func (c *count) read(dir string, written []uint64, seed maphash.Seed) error {
	seen := make([]bool, len(written))
	last := 0
	for _, name := range scribes {
		files, err := filesOf(filepath.Join(dir, name), c.log)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			c.owners = append(c.owners, name)
		}
		for _, file := range files {
			err := eachLine(file, func(line []byte) error {
				c.found++
				c.bytes += int64(len(line))
				n, ok := numberOf(line, c.log)
				switch {
				case !ok || n > len(written) || written[n-1] != maphash.Bytes(seed, line):
					c.altered++
					return nil
				case seen[n-1]:
					c.repeated++
					return nil
				case n < last:
					c.outOfOrder++
				}
				seen[n-1] = true
				last = max(last, n)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	for _, is := range seen {
		if !is {
			c.lost++
		}
	}
	return nil
}

// filesOf returns the files of a log below a Scribe's root in the order of their lines: rotated ones bear their time in
// their names, and the one that is written to comes last.
func filesOf(root, log string) ([]string, error) {
	folder := filepath.Join(root, logFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rotated, active []string
	for _, e := range entries {
		switch name := e.Name(); {
		case name == log+".log":
			active = append(active, filepath.Join(folder, name))
		case strings.HasPrefix(name, log+"_") && strings.HasSuffix(name, ".log"):
			rotated = append(rotated, filepath.Join(folder, name))
		}
	}
	slices.Sort(rotated)
	return append(rotated, active...), nil
}

// eachLine calls visit for each line of a file, with its newline. Its error ends it.
func eachLine(file string, visit func([]byte) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			if err := visit(line); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrBufferFull): // no line of ours: its parts count as such
		case err != nil:
			return err
		}
	}
}
