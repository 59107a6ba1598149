package e2e

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// feeder is a program that talks to a Scribe itself, as an agent does, and remembers its receipts. Its lines follow from
// their log and sequence, so that what is sent again is the same.
type feeder struct {
	producer uuid.UUID
	logs     []string
	codecs   []block.Codec // of its blocks, at random
	rng      *rand.Rand
	pause    time.Duration // between streams
	discards bool          // the Scribe deletes old files
	most     int           // lines of a block at most; 0 is 100

	mu     sync.Mutex // guards what follows
	acked  map[string]uint64
	sent   map[string]uint64
	failed error // the last stream's
}

func newFeeder(seed uint64, logs ...string) *feeder {
	return &feeder{
		producer: uuid.New(), logs: logs, codecs: []block.Codec{block.None, block.S2, block.Zstd, block.Zstd}, rng: rand.New(rand.NewPCG(seed, 11)),
		acked: map[string]uint64{}, sent: map[string]uint64{},
	}
}

// fed returns the line of that sequence.
func fed(log string, sequence uint64) string {
	rng := rand.New(rand.NewPCG(sequence, uint64(len(log))))
	return fmt.Sprintf("%s %d %s\n", log, sequence, strings.Repeat("x", rng.IntN(250)))
}

// fedLines returns the lines from first to last.
func fedLines(log string, first, last uint64) []byte {
	var all []byte
	for n := first; n <= last; n++ {
		all = append(all, fed(log, n)...)
	}
	return all
}

// known returns by log the last sequence that was acknowledged, and the last that was sent.
func (f *feeder) known() (acked, sent map[string]uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	acked, sent = map[string]uint64{}, map[string]uint64{}
	for _, log := range f.logs {
		acked[log], sent[log] = f.acked[log], f.sent[log]
	}
	return acked, sent
}

// run sends streams until ctx ends, up to some lines each, beginning behind what is acknowledged.
func (f *feeder) run(ctx context.Context, addr string, lines int) error {
	for ctx.Err() == nil {
		pause := f.pause
		if err := f.stream(ctx, addr, func(uint64) uint64 { return uint64(1 + f.rng.IntN(lines)) }); err != nil {
			f.mu.Lock()
			f.failed = err
			f.mu.Unlock()
			pause = max(pause, 5*time.Millisecond) // the Scribe may be down
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// stream sends to each log some lines behind the last that is acknowledged, and takes the receipts.
func (f *feeder) stream(ctx context.Context, addr string, some func(acked uint64) uint64) error {
	conn, err := transport.Dial([]string{addr}, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	call, err := logscribev1.NewScribeClient(conn).Append(ctx)
	if err != nil {
		return err
	}
	for _, m := range f.messages(some) {
		if err := call.Send(m); err != nil {
			break // the answer says why
		}
	}
	answer, err := call.CloseAndRecv()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range answer.Receipts {
		f.acked[r.Log] = max(f.acked[r.Log], r.Committed)
		if r.Code != 0 {
			err = fmt.Errorf("log %s: code %d: %s", r.Log, r.Code, r.Detail)
		}
	}
	return err
}

func (f *feeder) messages(some func(acked uint64) uint64) []*logscribev1.AppendRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []*logscribev1.AppendRequest{{Message: &logscribev1.AppendRequest_Hello{Hello: &logscribev1.Hello{
		Protocol: 1, Producer: f.producer[:], Agent: "feeder",
	}}}}
	for _, log := range f.logs {
		all = append(all, &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Open{
			Open: &logscribev1.Open{Log: log, Oldest: f.acked[log] + 1},
		}})
	}
	for _, log := range f.logs {
		first := f.acked[log] + 1
		for last := f.acked[log] + some(f.acked[log]); first <= last; {
			end := min(last, first+uint64(f.rng.IntN(cmp.Or(f.most, 100))))
			draft := block.NewDraft(nil, log, fedLines(log, first, end), f.codecs[f.rng.IntN(len(f.codecs))])
			b := draft.Seal(f.producer, first)
			all = append(all, &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
				Log: log, First: b.First, Count: b.Count, Codec: logscribev1.Codec(b.Codec), RawSize: b.RawSize, Crc: b.CRC, Payload: b.Payload,
			}}})
			f.sent[log] = max(f.sent[log], end)
			first = end + 1
		}
	}
	return all
}

// after returns the feeder as it was when it knew that much.
func (f *feeder) after(acked, sent map[string]uint64) *feeder {
	return &feeder{producer: f.producer, logs: f.logs, codecs: f.codecs, rng: rand.New(rand.NewPCG(1, 2)), acked: acked, sent: sent}
}

// finish sends all that was sent before and is not acknowledged, and some lines more, until all is acknowledged.
func (f *feeder) finish(t testing.TB, addr string) {
	t.Helper()
	_, sent := f.known()
	var err error
	ok := eventually(30*time.Second, func() bool {
		err = f.stream(context.Background(), addr, func(uint64) uint64 { return 50 })
		acked, _ := f.known()
		for _, log := range f.logs {
			if acked[log] < sent[log]+50 {
				return false
			}
		}
		return true
	})
	if !ok {
		t.Fatalf("what was not acknowledged can't be sent again: %v", err)
	}
}

// check compares all that is acknowledged with the files below root; they hold nothing else.
func (f *feeder) check(t testing.TB, root string) []*difference {
	t.Helper()
	found := unreadable(t, []string{root}, f.logs...)
	acked, _ := f.known()
	for _, log := range f.logs {
		want, got := fedLines(log, 1, acked[log]), output(t, []string{root}, log)
		if f.discards {
			want = want[max(0, len(want)-max(1, len(got))):] // the end of it
		}
		if d := compareBytes(log, want, got); d != nil {
			found = append(found, d)
		}
	}
	return found
}
