package tail

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// discard is a spool that keeps nothing.
type discard struct {
	bytes  atomic.Int64
	target int64
	done   chan struct{}
	once   sync.Once
}

func (d *discard) Append(_ context.Context, b spool.Batch) error {
	var n int64
	for _, draft := range b.Drafts {
		n += int64(draft.RawSize)
	}
	if d.bytes.Add(n) >= d.target {
		d.once.Do(func() { close(d.done) })
	}
	return nil
}

func (d *discard) EachCheckpoint(string, func(string, []byte) error) error { return nil }

func BenchmarkRead(b *testing.B) {
	const size = 256 << 20
	f := newFixture(b, "big.log")
	file, err := os.Create(f.path("big.log"))
	f.check(err)
	var chunk strings.Builder
	for i := 0; chunk.Len() < 1<<20; i++ {
		fmt.Fprintf(&chunk, "2026-01-01T00:00:00Z INFO request %d served in %d ms for user %x\n", i, i*7919%997, i*104729)
	}
	text := chunk.String()
	for n := 0; n < size; n += len(text) {
		_, err := file.WriteString(text)
		f.check(err)
	}
	info, err := file.Stat()
	f.check(err)
	f.check(file.Close())
	for _, codec := range []block.Codec{block.None, block.S2} {
		b.Run(codec.String(), func(b *testing.B) {
			b.SetBytes(info.Size())
			b.ReportAllocs()
			for b.Loop() {
				d := &discard{target: info.Size(), done: make(chan struct{})}
				cfg := f.cfg
				cfg.Spool = d
				cfg.Sections[0].Codec = codec
				s, err := New(cfg)
				f.check(err)
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan struct{})
				go func() { s.Run(ctx); close(ended) }()
				<-d.done
				cancel()
				<-ended
			}
		})
	}
}

// BenchmarkLatency measures from the write of a line to an idle file until its Append.
func BenchmarkLatency(b *testing.B) {
	f := newFixture(b, "*.log")
	f.cfg.PollInterval, f.cfg.ScanInterval = time.Hour, time.Hour
	arrived := make(chan struct{}, 1000)
	f.write("app.log", "first\n")
	f.up()
	f.wants("app", "first\n")
	time.Sleep(50 * time.Millisecond) // until the folder is watched for sure
	f.spool.do(func() { f.spool.appended = func() { arrived <- struct{}{} } })
	file, err := os.OpenFile(f.path("app.log"), os.O_APPEND|os.O_WRONLY, 0)
	f.check(err)
	defer file.Close()
	for b.Loop() {
		file.WriteString("a line that somebody waits for\n")
		<-arrived
	}
}
