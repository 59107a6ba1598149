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

// Count is what the files say of one log.
type Count struct {
	Log        string   `json:"log"`
	Owners     []string `json:"owners,omitempty"` // the Scribes that have files of it
	Written    int      `json:"written"`          // lines in the application's file
	Found      int      `json:"found"`            // lines in the Scribes' files
	Lost       int      `json:"lost"`             // written, and not found
	Repeated   int      `json:"repeated"`         // found once more
	OutOfOrder int      `json:"out_of_order"`     // found behind a later one
	Altered    int      `json:"altered"`          // found, and never written
}

func (c *Count) right() bool {
	return c.Lost+c.Repeated+c.OutOfOrder+c.Altered == 0 && c.Found == c.Written
}

func (c *Count) add(other Count) {
	c.Written += other.Written
	c.Found += other.Found
	c.Lost += other.Lost
	c.Repeated += other.Repeated
	c.OutOfOrder += other.OutOfOrder
	c.Altered += other.Altered
}

// prove reads all files below dir and counts.
func prove(dir string) ([]Count, error) {
	seed := maphash.MakeSeed()
	var all []Count
	for _, log := range logs {
		written, err := readWritten(filepath.Join(dir, appDir, log+".log"), log, seed)
		if err != nil {
			return nil, err
		}
		c := Count{Log: logFolder + "/" + log, Written: len(written)}
		if err := c.read(dir, log, written, seed); err != nil {
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
func (c *Count) read(dir, log string, written []uint64, seed maphash.Seed) error {
	seen := make([]bool, len(written))
	last := 0
	for _, name := range scribes {
		files, err := filesOf(filepath.Join(dir, name), log)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			c.Owners = append(c.Owners, name)
		}
		for _, file := range files {
			err := eachLine(file, func(line []byte) error {
				c.Found++
				n, ok := numberOf(line, log)
				switch {
				case !ok || n > len(written) || written[n-1] != maphash.Bytes(seed, line):
					c.Altered++
					return nil
				case seen[n-1]:
					c.Repeated++
					return nil
				case n < last:
					c.OutOfOrder++
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
			c.Lost++
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
