package store

import (
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	lowestNice = 19
	// ioprioIdle is the class of those who get the disk when nobody else wants it, with the numbers of ioprio_set(2).
	ioprioIdle       = 3 << 13
	ioprioWhoProcess = 1
)

// lowPriority gives the goroutine that calls it a thread of its own, with the lowest priority for processor and disk. Where
// the system refuses that, the work is done all the same.
func lowPriority() {
	runtime.LockOSThread() // the thread ends with the goroutine
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), lowestNice)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(unix.Gettid()), ioprioIdle)
}
