package main

import (
	"os"
	"strings"
	"syscall"
	"time"
)

// maxrssUnit is the unit of Rusage.Maxrss in bytes.
const maxrssUnit = 1024

// attributes let a program die with this one, even if that is killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// pause sleeps for a time that may be much shorter than a millisecond, to which time.Sleep rounds up when nothing else runs.
func pause(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // a signal may end it early
}

// inMemory says whether the folder lies in memory, where syncing costs nothing and proves nothing.
func inMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var fs syscall.Statfs_t
	return syscall.Statfs(dir, &fs) == nil && (uint32(fs.Type) == tmpfs || uint32(fs.Type) == ramfs)
}

// processor returns the name that the processor gives itself.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // it is for the report alone
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
