package main

import "golang.org/x/sys/unix"

const getTermios, setTermios = unix.TCGETS, unix.TCSETS

// noKey in the place of a key that has a meaning takes it away.
const noKey = 0
