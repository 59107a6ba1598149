//go:build !sabotage

package failpoint

// Reach says that the process has reached the point. The error is the one that the point is armed with, nil for none.
func Reach(Point) error { return nil }
