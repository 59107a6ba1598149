package e2e

import "syscall"

// attributes let a program die with the process of the tests, even if that is killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
