//go:build !sabotage

// Package sabotage lets the project's own tests break one promise at a time, to prove that they would notice. In a
// normal build every switch is a constant false and costs nothing. A build with the tag "sabotage" reads the switches
// from the environment variable LOGSCRIBE_SABOTAGE; such a program loses or repeats lines and is for tests alone.
package sabotage

// On says whether the named protection is switched off.
func On(Switch) bool { return false }
