package cut

import (
	"testing"

	"github.com/logscribe/logscribe/internal/madelines"
)

// BenchmarkStageSplit parts what a source reads at once into the lines of blocks.
func BenchmarkStageSplit(b *testing.B) {
	data := madelines.Of(1 << 20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := data; len(rest) > 0; {
			rest = rest[Next(rest, 1<<20, true).Size:]
		}
	}
}

// TestNoAllocationPerLine: to part lines allocates nothing.
func TestNoAllocationPerLine(t *testing.T) {
	data := madelines.Of(1 << 20)
	n := testing.AllocsPerRun(10, func() {
		for rest := data; len(rest) > 0; {
			rest = rest[Next(rest, 1<<20, true).Size:]
		}
	})
	if n > 0 {
		t.Errorf("%v allocations for %d bytes of lines", n, len(data))
	}
}
