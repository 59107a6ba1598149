package scribe

import (
	"context"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/madelines"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

// feed gives the blocks of lines to a stream that is open, as they come from the wire.
type feed struct {
	in    *intake
	draft block.Draft
	next  uint64
}

func newFeed(tb testing.TB, raw []byte, codec block.Codec, form store.Form) *feed {
	tb.Helper()
	s, err := New(Config{Listen: "127.0.0.1:0", ID: "test", Path: tb.TempDir(), Policy: store.Policy{Form: form}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	f := &feed{in: &intake{scribe: s, producer: producer, logs: map[string]*streamLog{}, buffers: new(buffers)}, draft: block.NewDraft(nil, "a", raw, codec), next: 1}
	f.take(tb, open("a", 1, 0))
	return f
}

func (f *feed) take(tb testing.TB, m *logscribev1.AppendRequest) {
	if err := f.in.take(tb.Context(), m); err != nil {
		tb.Fatal(err)
	}
}

// block takes one block.
func (f *feed) block(tb testing.TB) {
	b := f.draft.Seal(producer, f.next)
	f.next += uint64(b.Count)
	f.take(tb, &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
		Log: "a", First: b.First, Count: b.Count, Codec: logscribev1.Codec(b.Codec), RawSize: b.RawSize, Crc: b.CRC, Payload: b.Payload,
	}}})
	if l := f.in.logs["a"]; l.err != nil {
		tb.Fatal(l.err)
	}
}

// BenchmarkStageIntake verifies blocks of the usual size, decodes them where the file is plain, and appends them to it.
// They are committed now and then, outside the time that is measured.
func BenchmarkStageIntake(b *testing.B) {
	raw := madelines.Of(block.TargetRawSize)
	for _, c := range []struct {
		name  string
		codec block.Codec
		form  store.Form
	}{{"plain", block.S2, store.Plain}, {"zstd", block.Zstd, store.Frames}} {
		b.Run(c.name, func(b *testing.B) {
			f := newFeed(b, raw, c.codec, c.form)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.block(b)
				if i%32 == 31 {
					b.StopTimer()
					if err := f.in.scribe.store.Commit(b.Context()); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

// TestNoAllocationPerLine: what taking in a block allocates does not grow with its lines.
func TestNoAllocationPerLine(t *testing.T) {
	const most = 16 // for a block
	for _, size := range []int{2 << 10, block.TargetRawSize} {
		for form, codec := range map[store.Form]block.Codec{store.Plain: block.S2, store.Frames: block.Zstd} {
			f := newFeed(t, madelines.Of(size), codec, form)
			if n := testing.AllocsPerRun(50, func() { f.block(t) }); n > most {
				t.Errorf("%s, %d bytes of lines: %v allocations, want %d at most", form, size, n, most)
			}
		}
	}
}
