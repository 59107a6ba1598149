package powerdisk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The part of the kernel's FUSE protocol, version 7.31, that a file system needs whose root is its only file. Its messages
// are in the byte order of the host (linux/include/uapi/linux/fuse.h).
const (
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opStatfs      = 17
	opRelease     = 18
	opFsync       = 20
	opFlush       = 25
	opInit        = 26
	opInterrupt   = 36
	opDestroy     = 38
	opBatchForget = 42

	inHeader   = 40
	outHeader  = 16
	ioHeader   = 40 // before the data of a write
	attrSize   = 88
	initSize   = 64
	statfsSize = 80
	maxIO      = 128 << 10

	openDirect = 1 // no page cache between the kernel and this disk
	forever    = 1 << 30
)

var order = binary.NativeEndian

// server answers the kernel's requests for one disk.
type server struct {
	disk *Disk
	dev  *os.File
	done chan error // capacity 1: why serving ended, nil after an unmount
}

// serve mounts the disk over the file at path and serves it until that is unmounted.
func serve(d *Disk, path string) (*server, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/fuse: %w", err)
	}
	s := &server{disk: d, dev: os.NewFile(uintptr(fd), "/dev/fuse"), done: make(chan error, 1)}
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0", fd, unix.S_IFREG)
	if err := unix.Mount("powerdisk", path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return nil, errors.Join(fmt.Errorf("mount a FUSE file system: %w", err), s.dev.Close())
	}
	go s.run()
	return s, nil
}

func (s *server) run() {
	defer s.dev.Close()
	buf := make([]byte, inHeader+ioHeader+maxIO+sector)
	for {
		n, err := unix.Read(int(s.dev.Fd()), buf)
		switch {
		case errors.Is(err, syscall.ENODEV):
			s.done <- nil
			return
		case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.ENOENT): // the request was withdrawn
			continue
		case err != nil:
			s.done <- err
			return
		}
		answer, errno := s.handle(order.Uint32(buf[4:]), buf[inHeader:n])
		if errno == noAnswer {
			continue
		}
		out := make([]byte, outHeader, outHeader+len(answer))
		order.PutUint32(out, uint32(outHeader+len(answer)))
		order.PutUint32(out[4:], uint32(-int32(errno)))
		copy(out[8:], buf[8:16]) // the request's number
		if _, err := unix.Write(int(s.dev.Fd()), append(out, answer...)); err != nil && !errors.Is(err, syscall.ENOENT) {
			s.done <- err
			return
		}
	}
}

// noAnswer is the result of requests that get none.
const noAnswer = syscall.Errno(1 << 20)

func (s *server) handle(op uint32, in []byte) ([]byte, syscall.Errno) {
	switch op {
	case opInit:
		out := make([]byte, initSize)
		order.PutUint32(out, 7)
		order.PutUint32(out[4:], 31)
		order.PutUint32(out[20:], maxIO)
		return out, 0
	case opGetattr, opSetattr:
		return s.attributes(), 0
	case opOpen:
		out := make([]byte, 16)
		order.PutUint32(out[8:], openDirect)
		return out, 0
	case opRead:
		out := make([]byte, order.Uint32(in[16:]))
		return out[:s.disk.read(out, int64(order.Uint64(in[8:])))], 0
	case opWrite:
		n := order.Uint32(in[16:])
		if errno := s.disk.write(in[ioHeader:ioHeader+n], int64(order.Uint64(in[8:]))); errno != 0 {
			return nil, errno
		}
		out := make([]byte, 8)
		order.PutUint32(out, n)
		return out, 0
	case opFsync:
		return nil, s.disk.flush()
	case opStatfs:
		return make([]byte, statfsSize), 0
	case opRelease, opFlush, opDestroy:
		return nil, 0
	case opForget, opBatchForget, opInterrupt:
		return nil, noAnswer
	}
	return nil, syscall.ENOSYS
}

// attributes describes the file.
func (s *server) attributes() []byte {
	out := make([]byte, 16+attrSize)
	order.PutUint64(out, forever)
	attr := out[16:]
	order.PutUint64(attr, 1) // the inode's number
	order.PutUint64(attr[8:], uint64(len(s.disk.now)))
	order.PutUint64(attr[16:], uint64(len(s.disk.now)/512))
	order.PutUint32(attr[60:], unix.S_IFREG|0o600)
	order.PutUint32(attr[64:], 1) // links
	order.PutUint32(attr[80:], sector)
	return out
}
