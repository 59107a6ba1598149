package demo

import "syscall"

// attributes give a process a group of its own, so that ^C reaches this program alone, and let it die with this program,
// even if that is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
