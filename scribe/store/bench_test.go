package store

import (
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/madelines"
)

// BenchmarkStageCommit appends blocks of the usual size and commits every 8 MiB of them.
func BenchmarkStageCommit(b *testing.B) {
	raw := madelines.Of(block.TargetRawSize)
	count := uint64(block.CountLines(raw))
	for _, c := range []struct {
		name   string
		codec  block.Codec
		policy Policy
	}{
		{"plain", block.S2, Policy{MaxSize: -1}},
		{"rotated", block.S2, Policy{MaxSize: 1_000_000}},
		{"zstd", block.Zstd, Policy{MaxSize: -1, Form: Frames}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{Policy: c.policy})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			draft := block.NewDraft(nil, "a", raw, c.codec)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			next := uint64(1)
			for i := 0; b.Loop(); i++ {
				sealed := draft.Seal(alice, next)
				lines := raw
				if s.TakesFrame(&sealed) {
					lines = nil
				}
				if _, _, err := s.Append(Block{Block: &sealed, Lines: lines}); err != nil {
					b.Fatal(err)
				}
				next += count
				if i%32 == 31 {
					if err := s.Commit(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
