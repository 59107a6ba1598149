package boltfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// holders returns the processes that have the file locked, but for those that this one can't see.
func holders(file *os.File) (all []Holder) {
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(locks)) {
		if pid, ok := holderIn(line, info); ok {
			all = append(all, Holder{PID: pid, Args: commandLine(pid)})
		}
	}
	return all
}

// holderIn returns the process that holds the lock in a line of /proc/locks, if it is one of that file:
//
//	2: FLOCK  ADVISORY  WRITE 23467 fe:00:9979358 0 EOF
//
// The numbers with colons are the device, in hexadecimal, and the inode.
func holderIn(line string, file os.FileInfo) (pid int, ok bool) {
	stat, known := file.Sys().(*syscall.Stat_t)
	fields := strings.Fields(line)
	if !known || len(fields) < 6 || fields[1] != "FLOCK" {
		return 0, false
	}
	device, inode, _ := strings.Cut(fields[5], fmt.Sprintf(":%d", stat.Ino))
	pid, err := strconv.Atoi(fields[4])
	if err != nil || pid <= 0 || inode != "" {
		return 0, false
	}
	dev := uint64(stat.Dev)
	if device == fmt.Sprintf("%02x:%02x", unix.Major(dev), unix.Minor(dev)) {
		return pid, true
	}
	// Some file systems have another device for their files than for their locks.
	return pid, hasOpen(pid, file)
}

// hasOpen says whether the process is seen to have the file open.
func hasOpen(pid int, file os.FileInfo) bool {
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is right
	for _, name := range open {
		if info, err := os.Stat(name); err == nil && os.SameFile(info, file) {
			return true
		}
	}
	return false
}

func commandLine(pid int) (args []string) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(line) == 0 {
		return nil
	}
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(line, []byte{0}), []byte{0}) {
		args = append(args, string(arg))
	}
	return args
}
