//go:build !race

package tail

const raced = 1
