package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/logscribe/logscribe/internal/block"
)

// output is the files that the lines of a log arrive in: a plain one, rotated ones before it, or one of zstd frames. It is not safe for concurrent use.
type output struct {
	dirs      []string         // they lie in one of these
	stem, ext string           // the active file is stem+ext, the rotated ones are stem_…+ext
	single    bool             // there are no rotated ones
	whole     map[string]int64 // bytes of the lines in each rotated file
	frames    framed           // of the active file, if it is made of frames
}

// newOutput returns the output of that name, in whichever of the folders it comes to lie.
func newOutput(name string, dirs ...string) *output {
	stem, ext, _ := strings.Cut(name, ".")
	return &output{dirs: dirs, stem: stem, ext: "." + ext, whole: map[string]int64{}}
}

// files returns the paths of all files that there are, in the order of their lines.
func (o *output) files() ([]string, error) {
	var rotated, active []string
	for _, dir := range o.dirs {
		if !o.single {
			names, err := filepath.Glob(filepath.Join(dir, o.stem+"_*"+o.ext))
			if err != nil {
				return nil, err
			}
			rotated = append(rotated, names...)
		}
		if _, err := os.Stat(filepath.Join(dir, o.stem+o.ext)); err == nil {
			active = append(active, filepath.Join(dir, o.stem+o.ext))
		}
	}
	slices.Sort(rotated)
	return append(rotated, active...), nil
}

func (o *output) isActive(path string) bool { return filepath.Base(path) == o.stem+o.ext }

// size returns the bytes of all lines that have arrived. A file that is renamed meanwhile may be missed, and counts at the
// next look.
func (o *output) size() (int64, error) {
	files, err := o.files()
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, path := range files {
		n, known := o.whole[path]
		if !known {
			if n, err = o.linesSize(path); err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				return 0, err
			}
			if !o.isActive(path) {
				o.whole[path] = n
			}
		}
		sum += n
	}
	return sum, nil
}

func (o *output) linesSize(path string) (int64, error) {
	if strings.HasSuffix(path, ".zst") {
		return o.frames.grow(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// framed is how far a file of zstd frames, which only grows, has been walked through.
type framed struct {
	end   int64 // of the last whole frame
	lines int64 // bytes that the frames before it decode to
}

func (f *framed) grow(path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, f.end, 1<<40))
	if err != nil {
		return 0, err
	}
	for {
		n, content, ok := block.Frame(text)
		if !ok {
			return f.lines, nil
		}
		f.end, f.lines, text = f.end+int64(n), f.lines+int64(content), text[n:]
	}
}

// open returns a reader of all lines that have arrived.
func (o *output) open() (io.ReadCloser, error) {
	files, err := o.files()
	if err != nil {
		return nil, err
	}
	all := &chained{}
	var readers []io.Reader
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all.files = append(all.files, file)
		if !strings.HasSuffix(path, ".zst") {
			readers = append(readers, file)
			continue
		}
		inflater, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all.inflaters = append(all.inflaters, inflater)
		readers = append(readers, inflater)
	}
	all.Reader = io.MultiReader(readers...)
	return all, nil
}

// chained reads files one after the other.
type chained struct {
	io.Reader
	files     []*os.File
	inflaters []*zstd.Decoder
}

func (c *chained) Close() error {
	for _, inflater := range c.inflaters {
		inflater.Close()
	}
	var err error
	for _, file := range c.files {
		err = errors.Join(err, file.Close())
	}
	return err
}
