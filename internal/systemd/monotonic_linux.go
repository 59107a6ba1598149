package systemd

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic returns the time of the clock by which the service manager tells messages before a reload from those after it.
func monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0 // there is no kernel without this clock
	}
	return time.Duration(now.Nano())
}
