// Package damagetest damages the bytes of bbolt files for tests.
package damagetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

const pageSize = 4096

// Dir returns a folder for the test, in memory if there is one there: hundreds of damages mean thousands of syncs.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "damage-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Damage returns a damaged copy of a file's content, and says what it did. The same seed does the same.
func Damage(content []byte, seed uint64) (damaged []byte, what string) {
	random := rand.New(rand.NewPCG(seed, 0))
	d := bytes.Clone(content)
	page := func() int { return random.IntN(len(d) / pageSize) }
	at := func(id int) []byte { return d[id*pageSize : (id+1)*pageSize] }
	switch random.IntN(6) {
	case 0:
		n := random.IntN(len(d))
		return d[:n], fmt.Sprintf("seed %d: cut to %d bytes", seed, n)
	case 1:
		id := page()
		clear(at(id))
		return d, fmt.Sprintf("seed %d: page %d zeroed", seed, id)
	case 2:
		id := page()
		for i := range at(id) {
			at(id)[i] = byte(random.Uint32())
		}
		return d, fmt.Sprintf("seed %d: page %d filled with garbage", seed, id)
	case 3:
		a, b := page(), page()
		saved := bytes.Clone(at(a))
		copy(at(a), at(b))
		copy(at(b), saved)
		return d, fmt.Sprintf("seed %d: pages %d and %d swapped", seed, a, b)
	case 4: // where the structure is
		return d, fmt.Sprintf("seed %d: %s", seed, flip(d, random, func() int { return page()*pageSize + random.IntN(128) }))
	default:
		return d, fmt.Sprintf("seed %d: %s", seed, flip(d, random, func() int { return random.IntN(len(d)) }))
	}
}

// flip flips 1 to 8 bits, each in the byte that pick picks.
func flip(d []byte, random *rand.Rand, pick func() int) string {
	what := "bits flipped at"
	for range 1 + random.IntN(8) {
		at, bit := pick(), random.IntN(8)
		d[at] ^= 1 << bit
		what += fmt.Sprintf(" %d.%d", at, bit)
	}
	return what
}
