package tail

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const statMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// statPath follows links.
func statPath(path string) (fileStat, error) {
	var x unix.Statx_t
	if err := retry(func() error { return unix.Statx(unix.AT_FDCWD, path, 0, statMask, &x) }); err != nil {
		if err == unix.ENOSYS {
			info, err := os.Stat(path)
			if err != nil {
				return fileStat{}, err
			}
			return statOf(info), nil
		}
		return fileStat{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return convert(&x), nil
}

// statFile must not run at the same time as the file's Close.
func statFile(f *os.File) (fileStat, error) {
	var x unix.Statx_t
	err := retry(func() error { return unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, statMask, &x) })
	if err != nil {
		info, err := f.Stat()
		if err != nil {
			return fileStat{}, err
		}
		return statOf(info), nil
	}
	return convert(&x), nil
}

func convert(x *unix.Statx_t) fileStat {
	st := fileStat{
		size: int64(x.Size), mtime: x.Mtime.Sec*1e9 + int64(x.Mtime.Nsec), links: x.Nlink,
		regular: x.Mode&unix.S_IFMT == unix.S_IFREG,
	}
	st.inode = inode{dev: unix.Mkdev(x.Dev_major, x.Dev_minor), ino: x.Ino}
	if x.Mask&unix.STATX_BTIME != 0 {
		st.born = x.Btime.Sec*1e9 + int64(x.Btime.Nsec)
	}
	return st
}

func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// fileClock returns the earliest time that a file might get if it was changed now, in nanoseconds since 1970: that of the
// last tick of the kernel.
func fileClock() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
		return time.Now().UnixNano()
	}
	return now.Nano()
}
