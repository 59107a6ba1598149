package spool

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/internal/block"
)

// TestRespan gives a log's record, or none, the blocks that it does not know.
func TestRespan(t *testing.T) {
	a, b, c := identity{producerA, 1}, identity{producerB, 6}, identity{block.Producer{1}, 9}
	d, e := identity{producerB, 3}, identity{producerB, 7}
	own := func(first uint64, id identity) stored { return stored{first: first, count: 2, id: id} }
	for name, tc := range map[string]struct {
		known  []span // up to position 5
		blocks []stored
		want   []span
		left   int
	}{
		"lost":           {nil, []stored{own(3, a), own(5, a)}, []span{{3, a, a}}, 2},
		"two producers":  {nil, []stored{own(3, a), own(6, b), own(8, b)}, []span{{3, a, a}, {6, b, b}}, 3},
		"older":          {[]span{{1, a, a}}, []stored{own(5, a), own(7, e)}, []span{{1, a, a}, {7, e, e}}, 2},
		"first one gone": {nil, []stored{own(3, a), own(8, b)}, []span{{3, a, a}, {6, a, b}, {8, b, b}}, 2},
		// The lines from 6 on were given to producer B before it stored its first ones at 10.
		"renamed":        {nil, []stored{own(3, a), own(5, a), own(7, a), own(10, b)}, []span{{3, a, a}, {6, a, b}, {10, b, b}}, 4},
		"renamed before": {[]span{{1, a, a}, {3, a, d}}, []stored{own(5, d)}, []span{{1, a, a}, {3, a, d}, {5, d, d}}, 1},
		// A transaction that did not come to its end has left a block of A behind those of B.
		"left behind": {nil, []stored{own(3, a), own(6, b), own(9, c), own(11, a)}, []span{{3, a, a}, {6, b, b}, {9, c, c}}, 3},
	} {
		l := &surveyed{queue: queue{id: 1, oldest: 1, next: 1}, stale: true, blocks: tc.blocks}
		if tc.known != nil {
			l.spans, l.known, l.next = tc.known, 5, 5
		}
		(&survey{}).settleQueue(l)
		if diff := cmp.Diff(tc.want, l.spans, cmp.AllowUnexported(span{}, identity{})); diff != "" || len(l.blocks) != tc.left {
			t.Errorf("%s: %d blocks, %s", name, len(l.blocks), diff)
		}
		if err := l.check([]byte("log")); err != nil || l.next != l.blocks[len(l.blocks)-1].next() || l.oldest != l.blocks[0].first {
			t.Errorf("%s: %+v, %v", name, l.queue, err)
		}
	}
}

// eraseRecords overwrites all copies of the log's record in the file, in use or not.
func eraseRecords(t *testing.T, path, log string) {
	t.Helper()
	erase(t, path, func(content []byte) {
		for at := range content {
			rest := content[at:]
			if len(rest) > len(log)+queueHeader && string(rest[:len(log)]) == log && rest[len(log)] == queueVersion && rest[len(log)+1] == 0 {
				clear(rest[:len(log)+queueHeader])
			}
		}
	})
}

// TestRebuiltLogKnowsWhatItHasLost: the list of losses tells what the log's record did.
func TestRebuiltLogKnowsWhatItHasLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(path, Options{MaxSize: MinSize, WhenFull: DropOldest})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		d := block.NewDraft(nil, "web/a", bytes.Repeat([]byte("0123456789\n"), 2000), block.None)
		if err := s.Append(t.Context(), Batch{Drafts: []block.Draft{d}}); err != nil {
			t.Fatal(err)
		}
	}
	s.SetAside("web/a", s.Queue("web/a").Oldest, errMissing)
	for s.Queue("web/a").Held {
		time.Sleep(time.Millisecond)
	}
	want := s.Queue("web/a")
	s.Close()
	eraseRecords(t, path, "web/a")
	if _, err := Repair(path); err != nil {
		t.Fatal(err)
	}
	r, err := Inspect(path)
	if err != nil || len(r.Logs) != 1 {
		t.Fatal(r, err)
	}
	if l := r.Logs[0]; l.Dropped != want.Dropped || l.Refused != 2000 || l.Damaged != 0 || l.Dropped == 0 {
		t.Errorf("%+v, want %+v", l, want)
	}
}

func erase(t *testing.T, path string, f func(content []byte)) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f(content)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRebuiltLogKeepsWhatItWasGiven: a receipt tells that others write on under the spool's producer, so the lines get a
// new one. Then the log's record is lost. What the new producer has stored since shows from which line on its lines are.
func TestRebuiltLogKeepsWhatItWasGiven(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := reopened(t, path) // line 1
	old := s.Producer()
	s.Close()
	s = reopened(t, path) // line 2, which waits for a receipt
	s.Acknowledge("a", old, 5, true)
	for s.Queue("a").Held {
		<-s.Appended()
	}
	forked := s.Producer()
	if forked == old {
		t.Fatal("it was not found out")
	}
	s.Close()
	s = reopened(t, path) // line 3
	want := s.Queue("a")
	s.Close()
	eraseRecords(t, path, "a")
	if _, err := Open(path, Options{}); err == nil {
		t.Fatal("the log's record is not missed")
	}
	report, err := Repair(path)
	if err != nil || len(report.Logs) != 1 || report.Logs[0].Log != "a" {
		t.Fatalf("%+v, %v", report, err)
	}
	s, err = Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := s.Queue("a")
	if got.Oldest != want.Oldest || got.Next != want.Next || got.Sequence != want.Sequence || got.Producer != forked || got.Until != math.MaxUint64 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s.Producer() == forked {
		t.Error("new lines have the old producer: what it has numbered since is not known")
	}
}

// TestLinesThatLookLikeABlock: a log whose lines are a spool's bytes, not compressed, must not bring other lines back.
func TestLinesThatLookLikeABlock(t *testing.T) {
	fake := block.NewDraft(nil, "b", []byte("fake\n"), block.None)
	sealed := fake.Seal(producerA, 1)
	inner := encodeRecord(blockKey(7, 1), &sealed, 1, time.Unix(0, 1))
	raw := slices.Concat([]byte(strings.Repeat("x", 9000)), inner)
	path := filepath.Join(t.TempDir(), "spool.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Append(context.Background(), Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", raw, block.None)}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	eraseRecords(t, path, "a")
	erase(t, path, func(content []byte) { // the heads of the blocks' pages too, so that they are looked for byte by byte
		const head = 32
		for page := 2 * os.Getpagesize(); page < len(content); page += os.Getpagesize() {
			if bytes.HasPrefix(content[page+head:], []byte{0, 0, 0, 1, 0}) {
				clear(content[page : page+head])
			}
		}
	})
	report, err := Repair(path)
	if err != nil || len(report.Logs) != 1 || report.Logs[0].Log != "a" || report.Logs[0].Lost != 0 || report.Logs[0].Oldest != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}
