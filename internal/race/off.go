//go:build !race

// Package race says whether the race detector watches, for tests that take longer with it, or that can't hold with it.
package race

// Enabled says whether the race detector watches.
const Enabled = false
