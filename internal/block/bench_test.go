package block_test

import (
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/madelines"
)

// BenchmarkStageCompress makes a block of lines.
func BenchmarkStageCompress(b *testing.B) {
	raw := madelines.Of(block.TargetRawSize)
	for _, codec := range []block.Codec{block.None, block.S2, block.Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			buf, size := make([]byte, 0, 2*len(raw)), 0
			for b.Loop() {
				d := block.NewDraft(buf, "a", raw, codec)
				size = len(d.Payload)
			}
			b.ReportMetric(float64(size)/float64(len(raw)), "payload/raw")
		})
	}
}

// BenchmarkStageDecompress verifies and decodes a block, as the Scribe does.
func BenchmarkStageDecompress(b *testing.B) {
	raw := madelines.Of(block.TargetRawSize)
	for _, codec := range []block.Codec{block.None, block.S2, block.Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			sealed := sealedOf(raw, codec)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			buf := make([]byte, 0, len(raw))
			for b.Loop() {
				if err := sealed.Verify(); err != nil {
					b.Fatal(err)
				}
				if _, err := sealed.Lines(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sealedOf(raw []byte, codec block.Codec) block.Block {
	d := block.NewDraft(nil, "a", raw, codec)
	return d.Seal(producer, 1)
}

// TestNoAllocationPerLine: what making and opening a block allocates does not grow with its lines.
func TestNoAllocationPerLine(t *testing.T) {
	few, many := madelines.Of(2<<10), madelines.Of(block.TargetRawSize)
	buf := make([]byte, 0, 2*len(many))
	for _, codec := range []block.Codec{block.None, block.S2, block.Zstd} {
		allocations := func(raw []byte) float64 {
			sealed := sealedOf(raw, codec)
			return testing.AllocsPerRun(20, func() {
				block.NewDraft(buf, "a", raw, codec)
				if _, err := sealed.Lines(buf); err != nil {
					t.Fatal(err)
				}
			})
		}
		const most = 16 // some, as pools of decoders are emptied now and then; there are almost two thousand lines
		if a, b := allocations(few), allocations(many); a > most || b > most {
			t.Errorf("%s: %v allocations for %d bytes of lines, %v for %d", codec, a, len(few), b, len(many))
		}
	}
}
