package spool_test

import (
	"path/filepath"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/madelines"
	"github.com/logscribe/logscribe/spool"
)

// BenchmarkStageSpool stores blocks of the usual size, eight in a transaction, which lets those before leave.
func BenchmarkStageSpool(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "spool.db"), spool.Options{})
	raw := madelines.Of(block.TargetRawSize)
	var batch spool.Batch
	for range 8 {
		batch.Drafts = append(batch.Drafts, block.NewDraft(nil, "a", raw, block.S2))
	}
	b.SetBytes(int64(8 * len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		s.Settle("a", s.Queue("a").Next-1)
	}
}
