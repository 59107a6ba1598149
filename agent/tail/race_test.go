//go:build race

package tail

// raced is how much longer tests wait with the race detector.
const raced = 4
