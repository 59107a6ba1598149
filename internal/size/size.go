// Package size reads and writes sizes in bytes as people type them: 1MB is 1,000,000, 1MiB is 1,048,576, and -1 or -1B
// is no limit.
package size

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Unlimited is the value of -1 and -1B.
const Unlimited int64 = -1

// units is ordered from the largest to the smallest decimal and binary unit.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
	{"B", 1},
}

// Parse reads a size: a whole number and a unit (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB, in any case), or a whole number
// of bytes. It returns Unlimited for -1 and -1B. The error quotes s and says what is accepted.
func Parse(s string) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, fmt.Errorf("bad size %q: %s (write 1MB, 512KiB or -1B for no limit)", s, why)
	}
	number, factor := strings.TrimSpace(s), int64(1)
	for _, u := range units {
		if len(number) >= len(u.suffix) && strings.EqualFold(number[len(number)-len(u.suffix):], u.suffix) {
			number, factor = strings.TrimSpace(number[:len(number)-len(u.suffix)]), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
		return bad("not a whole number and a unit")
	case n == -1 && factor == 1:
		return Unlimited, nil
	case n <= 0:
		return bad("must be above zero")
	case n > math.MaxInt64/factor:
		return bad("too large")
	}
	return n * factor, nil
}

// Format writes n so that Parse reads the same value back, in the largest unit that divides it: 1MB, 300KiB, 17B, -1B.
func Format(n int64) string {
	if n == Unlimited {
		return "-1B"
	}
	best := units[len(units)-1]
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 && u.bytes > best.bytes {
			best = u
		}
	}
	return strconv.FormatInt(n/best.bytes, 10) + best.suffix
}
