package damagetest

import (
	"io"
	"syscall"
)

// BadPages are a file's pages of 4096 bytes, of which the disk can't read some until they are written as a whole: to write a
// part of one, the system would have to read it.
type BadPages struct {
	File interface {
		io.ReaderAt
		io.WriterAt
	}
	Bad map[int64]bool
}

func (p *BadPages) ReadAt(b []byte, at int64) (int, error) {
	for id := at / pageSize; id*pageSize < at+int64(len(b)); id++ {
		if p.Bad[id] {
			n, _ := p.File.ReadAt(b[:max(0, id*pageSize-at)], at)
			return n, syscall.EIO
		}
	}
	return p.File.ReadAt(b, at)
}

func (p *BadPages) WriteAt(b []byte, at int64) (int, error) {
	end := at + int64(len(b))
	for id := at / pageSize; id*pageSize < end; id++ {
		if p.Bad[id] && (id*pageSize < at || (id+1)*pageSize > end) {
			return 0, syscall.EIO
		}
		delete(p.Bad, id)
	}
	return p.File.WriteAt(b, at)
}
