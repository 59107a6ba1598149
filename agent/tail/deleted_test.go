package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/spool"
)

// deletedDescriptors counts the descriptors of this process that lead to deleted files of the fixture.
func (f *fixture) deletedDescriptors() int {
	links, _ := filepath.Glob("/proc/self/fd/*")
	n := 0
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, f.dir) && strings.HasSuffix(to, " (deleted)") {
			n++
		}
	}
	return n
}

// With a spool that refuses, deleted files keep their lines for as long as the operator wants, and no longer.
func TestDeletedWhileSpoolIsFull(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{0, 50 * time.Millisecond} {
		t.Run(limit.String(), func(t *testing.T) {
			const n = 300 // more than may wait for the spool
			f := newFixture(t, "*.log")
			f.cfg.Grace = 10 * time.Millisecond
			f.cfg.Sections[0].CloseDeletedAfter = limit
			f.cfg.chunk, f.cfg.MaxLine = 200, 100
			full := make(chan struct{})
			name := func(i int) string { return fmt.Sprintf("f%d", i) }
			for i := range n {
				f.write(name(i)+".log", "first\n")
			}
			f.up()
			for i := range n {
				f.wants(name(i), "first\n")
			}
			f.spool.do(func() { f.spool.blocked = full })
			for i := range n {
				f.write(name(i)+".log", lines("x", 0, 100)) // longer than what is read ahead
			}
			f.scans(3)
			for i := range n {
				f.remove(name(i) + ".log")
			}
			if limit > 0 {
				if !f.eventually(func() bool { return f.deletedDescriptors() == 0 }) {
					t.Fatalf("%d deleted files are open", f.deletedDescriptors())
				}
			} else if f.scans(4); f.deletedDescriptors() != n {
				t.Fatalf("%d deleted files are open, want %d", f.deletedDescriptors(), n)
			}
			f.spool.do(func() { f.spool.blocked = nil })
			close(full)
			if !f.eventually(func() bool { return f.source.Stats().Open == 0 && len(f.checkpoints()) == 0 }) {
				t.Fatalf("%d are open, %d checkpoints", f.source.Stats().Open, len(f.checkpoints()))
			}
			var delivered int64
			for i := range n {
				log := f.spool.log(name(i))
				if !strings.HasPrefix("first\n"+lines("x", 0, 100), log) {
					t.Fatalf("%s is wrong: %q", name(i), log)
				}
				delivered += int64(len(log))
			}
			st := f.source.Stats()
			losses, lost := f.spool.lost()
			if all := n * int64(len("first\n"+lines("x", 0, 100))); delivered+lost != all {
				t.Errorf("%d bytes were delivered, %d are counted as lost, %d were written", delivered, lost, all)
			}
			if limit == 0 && len(losses) > 0 || limit > 0 && (st.GivenUp != n || len(losses) != n) {
				t.Errorf("%d bytes of %d files are lost, %d entries", lost, st.GivenUp, len(losses))
			}
		})
	}
}

// A clean stop is the last chance of a deleted file's lines, also of one without an end. How long they take is not asked.
func TestStopDeliversDeletedFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, "*.log").blind()
		f.cfg.chunk, f.cfg.MaxLine = 200, 100
		f.up()
		for i := range 20 {
			f.write("app.log", "")
			f.wants("app", strings.Repeat(lines("x", 0, 300)+"the end\n", i))
			f.eventually(func() bool { return f.source.Stats().Open > 0 })
			f.write("app.log", "x line 0\n")
			f.wants("app", strings.Repeat(lines("x", 0, 300)+"the end\n", i)+"x line 0\n")
			f.write("app.log", lines("x", 1, 300)+"the end")
			f.remove("app.log")
			f.down()
			f.wants("app", strings.Repeat(lines("x", 0, 300)+"the end\n", i+1))
			f.up()
		}
	})
}

// What a clean stop can't deliver is counted.
func TestStopCountsWhatDeletedFilesLose(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.spool.do(func() { f.spool.blocked, f.spool.full = make(chan struct{}), true })
	f.write("app.log", "two\nthree")
	f.scans(3)
	f.remove("app.log")
	f.down()
	want := []spool.Loss{{Log: "app", File: f.path("app.log"), Reason: spool.Stopped, Lines: 1, Bytes: uint64(len("two\nthree")), Times: 1}}
	losses, _ := f.spool.lost()
	if diff := cmp.Diff(want, losses); diff != "" {
		t.Error(diff)
	}
}

// TestClosingFileThatGrewIsReadOn has a stop find a deleted file that was written to since its reader took its size.
func TestClosingFileThatGrewIsReadOn(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	s, _ := f.scanned()
	g := s.next()
	t.Cleanup(func() { g.file.Close() })
	r := &reader{source: s}
	r.read(t.Context(), g)
	s.commits.Wait()
	f.write("app.log", "two\n")
	f.remove("app.log")
	if left := s.deletedUnread(); len(left) != 1 {
		t.Fatalf("%d deleted files have lines", len(left))
	}
	s.mu.Lock()
	g.linked, g.closing = false, true
	s.mu.Unlock()
	if again := r.settle(t.Context(), g, true); !again || g.file == nil {
		t.Error("it was let go with a line that was not read")
	}
	s.whole(g, fileStat{size: 4})
	if losses := s.owed[g]; len(losses) > 0 {
		t.Errorf("called lost: %+v", losses)
	}
}
