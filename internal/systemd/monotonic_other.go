//go:build !linux

package systemd

import "time"

// monotonic is asked for where systemd listens, which it does on Linux alone.
func monotonic() time.Duration { return 0 }
