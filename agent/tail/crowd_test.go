package tail

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/logscribe/logscribe/internal/block"
)

// TestFilesAreSmall in memory: there may be a hundred thousand of them. 320 and 160 bytes are size classes of the Go runtime; the
// next ones are 352 and 176.
func TestFilesAreSmall(t *testing.T) {
	if size := unsafe.Sizeof(generation{}); size > 320 {
		t.Errorf("a generation takes %d bytes", size)
	}
	if size := unsafe.Sizeof(lineage{}); size > 160 {
		t.Errorf("a lineage takes %d bytes", size)
	}
}

// TestIdleFilesAreLeftAlone: a file that is not to be read from its beginning, and that has not changed, is not opened by
// a worker; and what a scan has looked at is not polled for as long as that is recent.
func TestIdleFilesAreLeftAlone(t *testing.T) {
	f := newFixture(t, "app.log")
	f.cfg.Sections[0].FromEnd = true
	f.cfg.PollInterval = time.Minute
	f.write("app.log", "long ago\n")
	hourAgo := time.Now().Add(-time.Hour)
	f.check(os.Chtimes(f.path("app.log"), hourAgo, hourAgo))
	stats := 0
	f.cfg.stat = func(path string) (fileStat, error) {
		if path == f.path("app.log") {
			stats++
		}
		return statPath(path)
	}
	s, err := New(f.cfg)
	f.check(err)
	s.scan(t.Context())
	s.commits.Wait()
	if len(s.polls) != 1 || len(s.ready) != 0 {
		t.Fatalf("%d files are polled, %d to be read, after one was found unchanged", len(s.polls), len(s.ready))
	}

	g, due := s.polls[0], s.polls[0].due
	if wait := due.Sub(now()); wait < 5*time.Minute {
		t.Errorf("a file that was idle for an hour is due again in %v", wait)
	}
	stats = 0
	s.poll(t.Context(), due)
	if stats != 0 || !g.due.After(due) {
		t.Errorf("after a scan, %d looks; due again: %t", stats, g.due.After(due))
	}
	s.scans.began = hourAgo
	s.poll(t.Context(), g.due)
	if stats != 1 {
		t.Errorf("%d looks, long after the last scan", stats)
	}
}

// TestNoFileIsReadBeforeItIsRegistered: else its first checkpoint would tell of lines that are not in the spool yet.
func TestNoFileIsReadBeforeItIsRegistered(t *testing.T) {
	f := newFixture(t, "*.log")
	f.spool.blocked = make(chan struct{})
	f.spool.appended = func() {
		for key, value := range f.spool.checkpoints {
			if c, err := decodeCheckpoint(key, value); err == nil && c.position > int64(len(f.spool.logs[c.log])) {
				t.Errorf("%s: a checkpoint at %d, and %d bytes in the spool", c.log, c.position, len(f.spool.logs[c.log]))
			}
		}
	}
	text := strings.Repeat("a line of many, so that reading them is worth a batch of its own\n", 2*block.TargetRawSize/64)
	appear := func(name string) { // with an age, or copies of it would be looked for first
		f.write("new", text)
		hourAgo := time.Now().Add(-time.Hour)
		f.check(os.Chtimes(f.path("new"), hourAgo, hourAgo))
		f.rename("new", name)
	}
	appear("one.log")
	f.up()
	for files, name := range []string{"", "two.log", "three.log"} {
		if name != "" {
			appear(name) // found while the first registration waits
		}
		if !f.eventually(func() bool { return f.source.Stats().Files == int64(files+1) }) {
			t.Fatalf("%d files are found", f.source.Stats().Files)
		}
		f.scans(3)
	}
	close(f.spool.blocked)
	f.wants("one", text)
	f.wants("two", text)
	f.wants("three", text)
}

// TestScansTakeLittleTime: the more they cost, the rarer they are; rarer still where very many files are watched, but not
// because a busy host has made one take long.
func TestScansTakeLittleTime(t *testing.T) {
	for _, tc := range []struct {
		cost    time.Duration
		files   int
		watched bool
		want    time.Duration
	}{
		{time.Millisecond, 10, true, 5 * time.Second},
		{time.Second, 10, true, 100 * time.Second},
		{100 * time.Millisecond, 10_000, false, 10 * time.Second},
		{100 * time.Millisecond, 10_000, true, 20 * time.Second},
		{time.Second, 100_000, true, 200 * time.Second},
		{500 * time.Millisecond, 100_000, true, 150 * time.Second},
	} {
		s, err := New(Config{Sections: []Section{{Paths: []string{"/*.log"}, Log: "all", Codec: block.S2}}, Spool: newSpool()})
		if err != nil {
			t.Fatal(err)
		}
		for i := range tc.files {
			s.lineages[strconv.Itoa(i)] = nil
		}
		s.scans.cost = tc.cost
		s.scanLater(tc.watched)
		s.scans.next.Stop()
		if got := time.Until(s.scans.due).Round(time.Second); got != tc.want {
			t.Errorf("%d files, watched: %t, a scan of %v: the next one after %v, want %v", tc.files, tc.watched, tc.cost, got, tc.want)
		}
	}
}
