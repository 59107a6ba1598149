package store

import (
	"compress/gzip"
	"context"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Compression is how rotated files are compressed.
type Compression string

// The compressions. Files compressed with them are read by the tools zstd and gzip.
const (
	Uncompressed Compression = "none" // as is ""
	Zstd         Compression = "zstd"
	Gzip         Compression = "gzip"
)

// extension returns what the compression adds to a file's name, "" for none.
func (c Compression) extension() string {
	switch c {
	case Zstd:
		return ".zst"
	case Gzip:
		return ".gz"
	}
	return ""
}

// encoder compresses in the goroutine that writes to it: others would have another priority.
func encoder(w io.Writer, with Compression) (io.WriteCloser, error) {
	if with == Gzip {
		return gzip.NewWriter(w), nil
	}
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
}

func decoder(r io.Reader, extension string) (io.ReadCloser, error) {
	if extension == Gzip.extension() {
		return gzip.NewReader(r)
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// syncingWriter syncs its file as it grows.
type syncingWriter struct {
	file     *os.File
	sync     func(*os.File) error
	unsynced int
}

func (w *syncingWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if w.unsynced += n; err == nil && w.unsynced >= syncEvery {
		w.unsynced = 0
		err = w.sync(w.file)
	}
	return n, err
}
