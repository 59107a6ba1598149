// Package systemd tells the service manager that has started the program how it does: the protocol of sd_notify(3), and the
// watchdog's of sd_watchdog_enabled(3). Where no service manager listens, all of it does nothing, and says nothing.
//
// # Invariants
//
//   - A service manager that hangs holds nobody up for longer than a second.
//   - A message is one datagram of lines NAME=VALUE, so that what belongs together arrives together.
//
// What is said when is not decided here: see package cli.
package systemd
