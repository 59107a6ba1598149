//go:build !linux

package demo

import "syscall"

// attributes give a process a group of its own, so that ^C reaches this program alone.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
