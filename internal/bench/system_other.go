//go:build !linux

package main

import (
	"os"
	"syscall"
	"time"
)

// maxrssUnit is the unit of Rusage.Maxrss in bytes.
const maxrssUnit = 1

func attributes() *syscall.SysProcAttr { return nil }

func syncData(f *os.File) error { return f.Sync() }

func pause(d time.Duration) { time.Sleep(d) }

func inMemory(string) bool { return false }

func processor() string { return "" }
