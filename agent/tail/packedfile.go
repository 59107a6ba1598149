package tail

import (
	"bytes"
	"compress/bzip2"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// unpackers are the formats, by the extension of the name.
var unpackers = map[string]func(io.Reader) (io.Reader, error){
	".gz":  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	".bz2": func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil },
	".zst": func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	},
}

// maxWindow limits the memory of decompression. It suffices for what zstd makes without --ultra or --long.
const maxWindow = 32 << 20

func packed(name string) bool { return unpackers[filepath.Ext(name)] != nil }

func (sib sibling) packed() bool { return packed(sib.path) }

// unpacked returns where what a compressed file was made of is, or was.
func (sib sibling) unpacked() string { return strings.TrimSuffix(sib.path, filepath.Ext(sib.path)) }

// packedSuffix is rotationSuffix for the name of a compressed file.
func packedSuffix(base, name string) (suffix string, ok bool) {
	name = strings.TrimSuffix(name, filepath.Ext(name))
	if name == base {
		return "", true
	}
	return rotationSuffix(base, name)
}

// packedFile reads what is in a compressed file, from the front to the back: going back costs decompressing it from its
// beginning, except to what stands behind the last newline of the last read, and the tail probe before that.
type packedFile struct {
	raw    *os.File
	size   int64 // of what is in it; set by measure
	damage error // why what is in it ends there

	stream io.Reader // nil before the first read
	next   int64     // what stream yields next
	kept   []byte    // the bytes before next
}

// measure finds out how much is in the file, which takes a pass over all of it.
func (p *packedFile) measure() {
	if p.damage = p.rewind(); p.damage == nil {
		p.size, p.damage = io.Copy(io.Discard, p.stream)
	}
	p.stream = nil
}

func (p *packedFile) rewind() (err error) {
	p.next, p.kept = 0, nil
	if _, err = p.raw.Seek(0, io.SeekStart); err == nil {
		p.stream, err = unpackers[filepath.Ext(p.raw.Name())](p.raw)
	}
	return err
}

// ReadAt is for one caller at a time. What is behind a damage does not exist.
func (p *packedFile) ReadAt(buf []byte, offset int64) (int, error) {
	if p.stream == nil || offset < p.next-int64(len(p.kept)) {
		if err := p.rewind(); err != nil {
			return 0, io.EOF
		}
	}
	if offset > p.next {
		n, err := io.CopyN(io.Discard, p.stream, offset-p.next)
		p.next, p.kept = p.next+n, nil
		if err != nil {
			return 0, io.EOF
		}
	}
	n := copy(buf, p.kept[len(p.kept)-int(p.next-offset):])
	m, err := io.ReadFull(p.stream, buf[n:])
	if m > 0 {
		p.next += int64(m)
		from := bytes.LastIndexByte(buf[:n+m], '\n') + 1
		p.kept = append(p.kept[:0], buf[max(0, from-headSize):n+m]...)
	}
	if err != nil {
		err = io.EOF
	}
	return n + m, err
}

func (p *packedFile) Close() error { return p.raw.Close() }

// Stat is that of the compressed file, with the size of what is in it.
func (p *packedFile) Stat() (fs.FileInfo, error) {
	info, err := p.raw.Stat()
	return packedInfo{info, p.size}, err
}

type packedInfo struct {
	fs.FileInfo
	size int64
}

func (i packedInfo) Size() int64 { return i.size }

// unpack opens what is in a generation's compressed file.
func (s *Source) unpack(ctx context.Context, g *generation, f *os.File) (*packedFile, error) {
	p := &packedFile{raw: f}
	stop := context.AfterFunc(ctx, func() { f.Close() })
	p.measure()
	if !stop() {
		return nil, ctx.Err()
	}
	s.mu.Lock()
	g.broken = p.damage != nil // what is lost of it is counted at its end
	s.mu.Unlock()
	if p.damage != nil && s.quiet.may("damaged "+g.path+f.Name(), 24*time.Hour) {
		s.log.Error("compressed file is damaged; what is before the damage is read", "file", f.Name(), "bytes", p.size, "err", p.damage)
		s.stats.damaged.Add(1)
	}
	return p, nil
}
