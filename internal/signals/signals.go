// Package signals takes the signals that stop and reload a program, from the earliest moment on at which a program can.
//
// # Invariants
//
//   - From the initialization of this package on SIGTERM, SIGINT and SIGHUP wait for whoever reads them, and a closed stdout
//     or stderr does not end the process, but is an error of the write.
//   - It imports next to nothing. Go initializes packages in the order of their import paths, each as soon as those it imports
//     are: so this one comes before those of gRPC and protobuf, which take the most of the time until main begins.
//
// # Limitations
//
// Before that, while the system loads the program and Go's runtime begins, a few milliseconds, SIGTERM, SIGINT and SIGHUP
// end the process as they end any other: by the signal. It has not opened a file by then.
package signals

import (
	"os"
	"os/signal"
	"syscall"
)

// all gets the signals. It has room for some that come before anybody reads them.
var all = take()

func take() <-chan os.Signal {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	return c
}

// All returns the channel of the signals, the same with each call.
func All() <-chan os.Signal { return all }

// Release lets the signals do again what they do in any program. It is for programs that take this package along without
// reading its channel, as tests do.
func Release() { signal.Reset() }
