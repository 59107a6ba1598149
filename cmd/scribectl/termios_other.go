//go:build !linux

package main

import "golang.org/x/sys/unix"

const getTermios, setTermios = unix.TIOCGETA, unix.TIOCSETA

// noKey in the place of a key that has a meaning takes it away.
const noKey = 0xff
