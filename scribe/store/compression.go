package store

import (
	"compress/gzip"
	"io"

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
