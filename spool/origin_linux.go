package spool

import (
	"os"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// boot returns the UUID that the kernel made when it started, zeros if it does not tell.
func boot() [16]byte {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return [16]byte{}
	}
	id, _ := uuid.Parse(strings.TrimSpace(string(text))) // zeros if it is none
	return id
}

// born returns when the file was made, in nanoseconds since 1970 UTC, 0 if the file system does not tell.
func born(path string) int64 {
	var x unix.Statx_t
	for {
		switch err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &x); {
		case err == unix.EINTR:
		case err != nil || x.Mask&unix.STATX_BTIME == 0:
			return 0
		default:
			return x.Btime.Sec*1e9 + int64(x.Btime.Nsec)
		}
	}
}
