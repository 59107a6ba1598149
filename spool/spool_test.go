package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// open opens the spool at path and closes it when the test ends.
func open(t testing.TB, path string, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func draft(log string, lines ...string) block.Draft {
	return block.NewDraft(nil, log, []byte(strings.Join(lines, "\n")+"\n"), block.S2)
}

func add(t testing.TB, s *spool.Spool, drafts ...block.Draft) {
	t.Helper()
	if err := s.Append(context.Background(), spool.Batch{Drafts: drafts}); err != nil {
		t.Fatal(err)
	}
}

// content returns the lines that the spool holds of the log from the sequence from on, each with its sequence.
func content(t testing.TB, s *spool.Spool, log string, from uint64) []string {
	t.Helper()
	blocks, _, err := s.Read(nil, nil, log, from, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, b := range blocks {
		raw, err := b.Lines(nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
			all = append(all, fmt.Sprintf("%d:%s", b.First+uint64(i), line))
		}
	}
	return all
}

func want(t testing.TB, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wrong lines (-want +got):\n%s", diff)
	}
}

func TestSequencesAreGivenByLogInOrder(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	add(t, s, draft("web/a", "1", "2"), draft("b", "x"))
	add(t, s, draft("web/a", "3"))
	want(t, content(t, s, "web/a", 1), "1:1", "2:2", "3:3")
	want(t, content(t, s, "web/a", 2), "1:1", "2:2", "3:3") // the block that holds the line comes whole
	want(t, content(t, s, "web/a", 3), "3:3")
	want(t, content(t, s, "web/a", 4))
	want(t, content(t, s, "b", 1), "1:x")
	want(t, content(t, s, "unknown", 1))
}

func TestReopenKeepsAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := open(t, path, spool.Options{})
	batch := spool.Batch{
		Drafts:      []block.Draft{draft("a", "1", "2"), draft("a", "3")},
		Checkpoints: []spool.Checkpoint{{Key: "file/1", Value: []byte("here")}, {Key: "other", Value: []byte("x")}},
	}
	if err := s.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	s.Settle("a", 2)
	producer := s.Producer()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, path, spool.Options{})
	if s.Producer() != producer {
		t.Error("the identity was not kept")
	}
	want(t, content(t, s, "a", 3), "3:3")
	if _, _, err := s.Read(nil, nil, "a", 1, 1<<20); !errors.Is(err, spool.ErrGap) {
		t.Errorf("reading settled lines: %v", err)
	}
	add(t, s, draft("a", "4"))
	want(t, content(t, s, "a", 3), "3:3", "4:4")
	checkpoints, err := s.Checkpoints("file/")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{"file/1": []byte("here")}, checkpoints); diff != "" {
		t.Error(diff)
	}
	if got := s.TakeAppended(); !cmp.Equal(got, []string{"a"}) {
		t.Errorf("logs with blocks after reopen: %v", got)
	}
}

func TestCheckpointIsRemovedByNil(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	for _, value := range [][]byte{[]byte("x"), nil} {
		if err := s.Append(context.Background(), spool.Batch{Checkpoints: []spool.Checkpoint{{Key: "k", Value: value}}}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := s.Checkpoints(""); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestSettledBlocksLeave(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	add(t, s, draft("a", "1", "2"), draft("a", "3", "4"), draft("b", "1"))
	s.Settle("a", 3) // in the middle of the second block, which stays
	if q := s.Queue("a"); q.Oldest != 4 || q.Lines() != 1 {
		t.Errorf("after settling through 3: %+v", q)
	}
	s.Settle("a", 1) // late news change nothing
	if q := s.Queue("a"); q.Oldest != 4 {
		t.Errorf("settled backwards: %+v", q)
	}
	if s.Lines() != 2 {
		t.Errorf("%d lines wait", s.Lines())
	}
	s.Settle("a", 99) // more than there is
	s.Settle("b", 1)
	if err := s.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t, s, draft("a", "5"))
	want(t, content(t, s, "a", 5), "5:5")
}

func TestWaitEmptyWakesOnTheLastReceipt(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	add(t, s, draft("a", "1"), draft("b", "1"))
	done := make(chan error)
	go func() { done <- s.WaitEmpty(t.Context()) }()
	s.Settle("a", 1)
	s.Settle("b", 1)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	add(t, s, draft("a", "2"))
	if err := s.WaitEmpty(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSecondAgentIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	open(t, path, spool.Options{})
	_, err := spool.Open(path, spool.Options{})
	if !errors.Is(err, spool.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestAppendAfterClose(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	s.Close()
	if err := s.Append(t.Context(), spool.Batch{}); !errors.Is(err, spool.ErrClosed) {
		t.Error(err)
	}
}

func TestBadLogNameHarmsNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	if err := s.Append(t.Context(), spool.Batch{Drafts: []block.Draft{draft("a", "1"), draft("../x", "1")}}); err == nil {
		t.Error("it was taken")
	}
	want(t, content(t, s, "a", 1))
}

// TestDamagedBlockIsToldFromTheSoundOnes flips a byte of one stored payload.
func TestDamagedBlockIsToldFromTheSoundOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := open(t, path, spool.Options{})
	for _, line := range []string{"sound", "DAMAGED", "behind it"} {
		add(t, s, block.NewDraft(nil, "a", []byte(line+"\n"), block.None))
	}
	s.Close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file = bytes.ReplaceAll(file, []byte("DAMAGED"), []byte("dAMAGED"))
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, spool.Options{})
	blocks, _, err := s.Read(nil, nil, "a", 1, 1<<20)
	if !errors.Is(err, block.ErrChecksum) || len(blocks) != 1 {
		t.Errorf("%d blocks, %v", len(blocks), err)
	}
	want(t, content(t, s, "a", 3), "3:behind it")
}

func TestConcurrentAppendsKeepEachLogsOrder(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 50 {
				add(t, s, draft(fmt.Sprintf("log%d", w), fmt.Sprint(i)))
			}
		})
	}
	group.Wait()
	for w := range 8 {
		var all []string
		for i := range 50 {
			all = append(all, fmt.Sprintf("%d:%d", i+1, i))
		}
		want(t, content(t, s, fmt.Sprintf("log%d", w), 1), all...)
	}
}

func TestEachCheckpoint(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	const n = 600
	b := spool.Batch{Checkpoints: []spool.Checkpoint{{Key: "before", Value: []byte("x")}, {Key: "l", Value: []byte("x")}}}
	for i := range n { // more than may stand in memory at a time
		b.Checkpoints = append(b.Checkpoints, spool.Checkpoint{Key: fmt.Sprintf("k/%03d", i), Value: bytes.Repeat([]byte{byte(i)}, 10_000)})
	}
	if err := s.Append(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	seen := 0
	visit := func(key string, value []byte) error {
		if want := fmt.Sprintf("k/%03d", seen); key != want || !bytes.Equal(value, bytes.Repeat([]byte{byte(seen)}, 10_000)) {
			t.Fatalf("%s with %d bytes %x..., want %s", key, len(value), value[:1], want)
		}
		seen++
		return nil
	}
	if err := s.EachCheckpoint("k/", visit); err != nil || seen != n {
		t.Errorf("%v after %d", err, seen)
	}
	calls, stop := 0, errors.New("enough")
	if err := s.EachCheckpoint("k/", func(string, []byte) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%v after %d calls, want the first one's error", err, calls)
	}
}
