package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
	"github.com/logscribe/logscribe/spool"
)

const mib = 1 << 20

// incompressible returns a draft of one line of n bytes, which no codec shrinks.
func incompressible(log string, n int) block.Draft {
	line := bytes.Repeat([]byte{'x'}, n)
	line[n-1] = '\n'
	return block.NewDraft(nil, log, line, block.None)
}

// onDisk returns the bytes that the spool's files take on their disk.
func onDisk(t testing.TB, path string) int64 {
	t.Helper()
	all, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	slices.Reverse(all) // a copy grows after its original has shrunk
	for _, f := range all {
		info, err := os.Stat(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n += info.Sys().(*syscall.Stat_t).Blocks * 512
	}
	return n
}

// fill appends drafts of the log until one has to wait, and returns how many were taken.
func fill(t testing.TB, s *spool.Spool, log string, size int) int {
	t.Helper()
	for n := 0; ; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := s.Append(ctx, spool.Batch{Drafts: []block.Draft{incompressible(log, size)}})
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// settleAll settles all of the logs' lines.
func settleAll(s *spool.Spool, logs ...string) {
	for _, log := range logs {
		s.Settle(log, s.Queue(log).Next-1)
	}
}

func TestTooSmallASpoolIsRefused(t *testing.T) {
	_, err := spool.Open(filepath.Join(t.TempDir(), "spool.db"), spool.Options{MaxSize: 64_000})
	if err == nil || !strings.Contains(err.Error(), "64KB") || !strings.Contains(err.Error(), "1MB") {
		t.Errorf("got %v", err)
	}
}

func TestFullSpoolBlocksUntilSettled(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{MaxSize: spool.MinSize})
	taken := fill(t, s, "a", 20_000)
	if taken < 10 {
		t.Fatalf("full after %d blocks: %+v", taken, s.Stats())
	}
	result := make(chan error)
	go func() {
		result <- s.Append(t.Context(), spool.Batch{Drafts: []block.Draft{incompressible("a", 20_000)}})
	}()
	select {
	case err := <-result:
		t.Fatal("a full spool took lines:", err)
	case <-time.After(20 * time.Millisecond): // it waits; there is no event to wait for instead
	}
	settleAll(s, "a")
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if s.Stats().Waits == 0 {
		t.Errorf("after settling: %+v", s.Stats())
	}
}

func TestWaitingCallIsGivenUp(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{MaxSize: spool.MinSize})
	fill(t, s, "a", 20_000)
	lines := s.Lines()
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error)
	go func() { refused <- s.Append(ctx, spool.Batch{Drafts: []block.Draft{incompressible("a", 20_000)}}) }()
	time.Sleep(10 * time.Millisecond)
	cancel()
	if err := <-refused; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	settleAll(s, "a")
	add(t, s, draft("a", "x"))
	if q := s.Queue("a"); int64(q.Next) != lines+2 {
		t.Errorf("what was given up was stored: %+v after %d lines", q, lines)
	}
}

// TestStuckLogLeavesRoom fills the spool with logs of which nothing is settled, one after the other. Others must flow.
func TestStuckLogLeavesRoom(t *testing.T) {
	const maxSize = 32 * mib
	s := open(t, filepath.Join(damagetest.Dir(t), "spool.db"), spool.Options{MaxSize: maxSize})
	fill(t, s, "stuck", 60_000)
	if share := float64(s.Stats().BlockBytes) / maxSize; share < 0.6 || share > 0.82 {
		t.Errorf("the stuck log takes %.2f of the spool: %+v", share, s.Stats())
	}
	waiting := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { waiting <- s.Append(ctx, spool.Batch{Drafts: []block.Draft{incompressible("stuck", 60_000)}}) }()
	for range 100 {
		add(t, s, incompressible("fine", 60_000))
		settleAll(s, "fine")
	}
	for i := range 2 {
		if log := fmt.Sprint("stuck", i); fill(t, s, log, 10_000) == 0 {
			t.Errorf("log %s got nothing", log)
		}
	}
	add(t, s, incompressible("fine", 60_000))
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Error("the stuck log's batch was stored:", err)
	}
}

// TestSizeIsBounded appends and settles at random and watches what the files take.
func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	for _, maxSize := range []int64{spool.MinSize, 5 * mib, 24 * mib} {
		for _, policy := range []spool.Policy{spool.Block, spool.DropOldest} {
			t.Run(fmt.Sprint(maxSize, policy), func(t *testing.T) {
				t.Parallel()
				seed := uint64(time.Now().UnixNano())
				t.Log("seed", seed)
				dir := damagetest.Dir(t)
				if maxSize == spool.MinSize { // a disk's own overhead counts most
					dir = t.TempDir()
				}
				checkBound(t, filepath.Join(dir, "spool.db"), rand.New(rand.NewPCG(seed, 0)), maxSize, policy)
			})
		}
	}
}

func checkBound(t *testing.T, path string, random *rand.Rand, maxSize int64, policy spool.Policy) {
	s := open(t, path, spool.Options{MaxSize: maxSize, WhenFull: policy})
	largest := int(min(maxSize/20, 300_000))
	logs := []string{"a", "b", "c", "d"}
	for i := range 150 {
		log := logs[random.IntN(len(logs))]
		var batch spool.Batch
		for range 1 + random.IntN(3) {
			batch.Drafts = append(batch.Drafts, incompressible(log, 1+random.IntN(largest)))
		}
		batch.Checkpoints = []spool.Checkpoint{{Key: fmt.Sprint(random.IntN(100)), Value: make([]byte, random.IntN(300))}}
		for {
			ctx, cancel := t.Context(), func() {}
			if policy == spool.Block {
				ctx, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
			}
			err := s.Append(ctx, batch)
			cancel()
			if err == nil {
				break
			}
			settleSome(s, random, logs)
		}
		if n := onDisk(t, path); n > maxSize {
			t.Fatalf("at step %d the spool takes %d bytes: %+v", i, n, s.Stats())
		}
		if random.IntN(50) == 0 {
			s.Close()
			s = open(t, path, spool.Options{MaxSize: maxSize, WhenFull: policy})
		}
	}
	t.Logf("%+v", s.Stats())
}

// TestLargestBatchKeepsTheBound appends batches up to the largest that a spool of the smallest size for them takes.
func TestLargestBatchKeepsTheBound(t *testing.T) {
	t.Parallel()
	const records, drafts = 3 * mib, 16
	maxSize := spool.SmallestFor(records, drafts)
	for _, policy := range []spool.Policy{spool.Block, spool.DropOldest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Log("seed", seed, "size", maxSize)
			random := rand.New(rand.NewPCG(seed, 0))
			path := filepath.Join(t.TempDir(), "spool.db")
			var said journal
			s := open(t, path, spool.Options{MaxSize: maxSize, WhenFull: policy, Logger: said.logger()})
			logs := []string{"a", "b", "c"}
			for i := range 120 {
				log := logs[random.IntN(len(logs))]
				batch := spool.Batch{Checkpoints: []spool.Checkpoint{{Key: fmt.Sprint(random.IntN(100)), Value: make([]byte, random.IntN(300))}}}
				left := records
				if random.IntN(4) > 0 {
					left = 1 + random.IntN(records)
				}
				for n := 1 + random.IntN(drafts); n > 0 && left > 0; n-- {
					size := left
					if n > 1 {
						size = 1 + random.IntN(left)
					}
					batch.Drafts = append(batch.Drafts, incompressible(log, max(1, size-100)))
					left -= size
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				done := make(chan error, 1)
				go func() { done <- s.Append(ctx, batch) }()
				for stored := false; !stored; {
					select {
					case err := <-done:
						if stored = true; err != nil {
							t.Fatalf("step %d: %v %+v", i, err, s.Stats())
						}
					case <-time.After(2 * time.Millisecond):
						if settleSome(s, random, logs); random.IntN(20) == 0 {
							settleAll(s, logs...)
						}
					}
					if n := min(onDisk(t, path), onDisk(t, path)); n > maxSize { // files may change places between two looks
						t.Fatalf("at step %d the spool takes %d bytes of %d: %+v", i, n, maxSize, s.Stats())
					}
				}
				cancel()
			}
			if strings.Contains(said.String(), "beyond") {
				t.Error(said.String())
			}
			t.Logf("%d compactions", s.Stats().Compactions)
		})
	}
}

// settleSome settles some of each log's lines.
func settleSome(s *spool.Spool, random *rand.Rand, logs []string) {
	for _, log := range logs {
		q := s.Queue(log)
		s.Settle(log, q.Oldest+random.Uint64N(q.Lines()+1)-1)
	}
}

func TestBatchLargerThanTheSpoolIsTakenAlone(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{MaxSize: spool.MinSize})
	for range 3 {
		add(t, s, incompressible("a", 3*mib))
		settleAll(s, "a")
	}
}

func TestDropOldestCountsWhatItDrops(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	o := spool.Options{MaxSize: 8 * mib, WhenFull: spool.DropOldest}
	s := open(t, path, o)
	for i := range 300 {
		add(t, s, incompressible([]string{"a", "b", "c"}[i%3], 50_000))
	}
	var dropped uint64
	for _, log := range []string{"a", "b", "c"} {
		q := s.Queue(log)
		if q.Dropped == 0 || q.Oldest != q.Dropped+1 || q.Lines() < 20 {
			t.Errorf("not the oldest were dropped: %+v", q)
		}
		if _, _, err := s.Read(nil, nil, log, 1, 1<<20); !errors.Is(err, spool.ErrGap) {
			t.Errorf("reading what was dropped: %v", err)
		}
		dropped += q.Dropped
	}
	if got := s.Stats().DroppedLines; got != dropped {
		t.Errorf("%d lines dropped in all, the logs say %d", got, dropped)
	}
	before := s.Queue("a").Dropped
	s.Close()
	if q := open(t, path, o).Queue("a"); q.Dropped != before {
		t.Errorf("the count was forgotten: %+v, it was %d", q, before)
	}
}

// TestDropsBeforeAKillAreTold: what was dropped and not told yet when the process was killed is told at the next start, and
// only then.
func TestDropsBeforeAKillAreTold(t *testing.T) {
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "spool.db"), filepath.Join(dir, "copied.db")
	o := spool.Options{MaxSize: 4 * mib, WhenFull: spool.DropOldest}
	s := open(t, path, o)
	for range 200 {
		add(t, s, incompressible("a", 50_000))
	}
	dropped := s.Queue("a").Dropped
	content, err := os.ReadFile(path) // as a kill leaves it
	if err := errors.Join(err, os.WriteFile(copied, content, 0o600), s.Close()); err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{copied, copied, path} {
		var said journal
		o.Logger = said.logger()
		s := open(t, path, o)
		if n := strings.Count(said.String(), "log=a lines="); (n == 1) != (i == 0) ||
			i == 0 && !strings.Contains(said.String(), fmt.Sprintf("dropped_in_all=%d\n", dropped)) {
			t.Errorf("start %d, %d were dropped: %s", i, dropped, said.String())
		}
		if s.Queue("a").Dropped != dropped {
			t.Errorf("%+v", s.Queue("a"))
		}
		s.Close()
	}
	report, err := spool.Inspect(copied)
	if err != nil || report.Logs[0].Dropped != dropped || report.Logs[0].Refused+report.Logs[0].Damaged != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestDroppedOnTheWay drops lines that the shipper has read. Those that the receipt covers were not lost.
func TestDroppedOnTheWay(t *testing.T) {
	for _, arrived := range []int{0, 2, 30} {
		s := open(t, filepath.Join(damagetest.Dir(t), "spool.db"), spool.Options{MaxSize: 4 * mib, WhenFull: spool.DropOldest})
		for range 30 {
			add(t, s, incompressible("a", 50_000))
		}
		if blocks, _, err := s.Read(nil, nil, "a", 1, 1<<30); err != nil || len(blocks) != 30 {
			t.Fatal(len(blocks), err)
		}
		for s.Queue("a").Dropped < 20 {
			add(t, s, incompressible("a", 50_000))
		}
		dropped := s.Queue("a").Dropped
		if arrived > 0 {
			s.Settle("a", uint64(arrived))
		}
		lost := dropped - min(dropped, uint64(arrived))
		list, _ := s.Losses() // without what has arrived, also before that is stored
		if wantSums(t, s.LossSums(), list); spool.Sums(list)[spool.SpoolFull].Lines != lost {
			t.Errorf("%d dropped on the way, %d arrived: %+v", dropped, arrived, list)
		}
		add(t, s, draft("b", "x")) // the count is stored with the next transaction
		if q := s.Queue("a"); q.Dropped != lost {
			t.Errorf("%d dropped on the way, %d arrived: %+v", dropped, arrived, q)
		}
		path := s.Path()
		s.Close()
		s = open(t, path, spool.Options{})
		if q := s.Queue("a"); q.Dropped != lost {
			t.Errorf("%d dropped on the way, %d arrived, opened again: %+v", dropped, arrived, q)
		}
		list, _ = s.Losses()
		wantSums(t, s.LossSums(), list)
		if sum := spool.Sums(list)[spool.SpoolFull]; sum.Lines != lost || sum.Bytes != lost*50_000 || len(list) != min(1, int(lost)) {
			t.Errorf("%d dropped on the way, %d arrived: %+v", dropped, arrived, list)
		}
	}
}

// TestReceiptOfALaterStreamBringsNothingBack drops lines that the shipper has read and does not get a receipt for. The
// receipt for the next stream, which begins behind them, covers them by number alone.
func TestReceiptOfALaterStreamBringsNothingBack(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{MaxSize: 4 * mib, WhenFull: spool.DropOldest})
	for range 30 {
		add(t, s, incompressible("a", 50_000))
	}
	for _, limit := range []int{1 << 30, 1} {
		if _, _, err := s.Read(nil, nil, "a", s.Queue("a").Oldest, limit); err != nil {
			t.Fatal(err)
		}
		for dropped := s.Queue("a").Dropped; s.Queue("a").Dropped < dropped+10 && limit > 1; {
			add(t, s, incompressible("a", 50_000))
		}
	}
	dropped := s.Queue("a").Dropped
	s.Settle("a", s.Queue("a").Oldest)
	if q := s.Queue("a"); q.Dropped != dropped {
		t.Errorf("%d were dropped: %+v", dropped, q)
	}
}

// TestQuietSpoolStaysSmall appends a line a second for an hour, each settled before the next.
func TestQuietSpoolStaysSmall(t *testing.T) {
	for _, maxSize := range []int64{1e9, -1} {
		t.Run(fmt.Sprint(maxSize), func(t *testing.T) {
			t.Parallel()
			beQuiet(t, maxSize)
		})
	}
}

func beQuiet(t *testing.T, maxSize int64) {
	path := filepath.Join(damagetest.Dir(t), "spool.db") // 7200 syncs
	s := open(t, path, spool.Options{MaxSize: maxSize})
	for i := range 3600 {
		batch := spool.Batch{
			Drafts:      []block.Draft{draft("a", fmt.Sprint("line ", i))},
			Checkpoints: []spool.Checkpoint{{Key: "file", Value: fmt.Append(nil, i)}},
		}
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		settleAll(s, "a")
	}
	if n := onDisk(t, path); n > 1*mib {
		t.Errorf("the file has %d bytes", n)
	}
}

// TestGivesSpaceBack drains a large spool and looks for what is left of its file.
func TestGivesSpaceBack(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "spool.db")
		s, err := spool.Open(path, spool.Options{MaxSize: 24 * mib})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		fill(t, s, "a", 60_000)
		before := onDisk(t, path)
		add(t, s, draft("b", "1", "2"))
		if err := s.Append(t.Context(), spool.Batch{Checkpoints: []spool.Checkpoint{{Key: "k", Value: []byte("v")}}}); err != nil {
			t.Fatal(err)
		}
		settleAll(s, "a")
		for range 5 {
			time.Sleep(time.Second)
			synctest.Wait()
			if n := onDisk(t, path); n > 24*mib {
				t.Fatalf("a compaction takes %d bytes", n)
			}
		}
		if n := onDisk(t, path); n > before/10 || s.Stats().Compactions != 1 {
			t.Errorf("%d bytes are left of %d: %+v", n, before, s.Stats())
		}
		want(t, content(t, s, "b", 1), "1:1", "2:2")
		add(t, s, draft("b", "3"))
		s.Close()
		s, err = spool.Open(path, spool.Options{MaxSize: 24 * mib})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		want(t, content(t, s, "b", 1), "1:1", "2:2", "3:3")
		if q := s.Queue("a"); q.Lines() != 0 || q.Next < 100 {
			t.Errorf("%+v", q)
		}
		if all, err := s.Checkpoints(""); err != nil || string(all["k"]) != "v" {
			t.Error(all, err)
		}
	})
}

func TestLeftoverOfACompactionIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	if err := os.WriteFile(path+".compact", []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path, spool.Options{})
	if _, err := os.Stat(path + ".compact"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
