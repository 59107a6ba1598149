package tail

import (
	"sync/atomic"
	"syscall"
)

type atomicBool struct{ v atomic.Bool }

func (b *atomicBool) get() bool  { return b.v.Load() }
func (b *atomicBool) set(v bool) { b.v.Store(v) }

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o644) }
