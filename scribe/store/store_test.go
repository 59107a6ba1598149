package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
)

var alice, bob = uuid.MustParse("00000000-0000-4000-8000-00000000000a"), uuid.MustParse("00000000-0000-4000-8000-00000000000b")

// open opens the store and closes it when the test ends.
func open(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
			t.Error(err)
		}
	})
	return s
}

// crash ends the store as a kill would: nothing is committed, the locks are gone.
func crash(t testing.TB, s *Store) {
	t.Helper()
	s.mu.Lock()
	clear(s.dirty)
	s.mu.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// numbered returns the block of the lines "first" to "last" of the producer, padded to width bytes with their newline.
func numbered(log string, p block.Producer, first, last uint64, width int) Block {
	var raw []byte
	for n := first; n <= last; n++ {
		raw = append(raw, line(p, n, width)...)
	}
	d := block.NewDraft(nil, log, raw, block.S2)
	b := d.Seal(p, first)
	return Block{Block: &b, Lines: raw}
}

func line(p block.Producer, n uint64, width int) string {
	s := fmt.Sprintf("%x %d", p[15], n)
	return s + strings.Repeat("-", max(0, width-len(s)-1)) + "\n"
}

func lines(p block.Producer, first, last uint64, width int) string {
	var all strings.Builder
	for n := first; n <= last; n++ {
		all.WriteString(line(p, n, width))
	}
	return all.String()
}

func mustAppend(t testing.TB, s *Store, b Block) []byte {
	t.Helper()
	written, _, err := s.Append(b)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func mustCommit(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func wantCommitted(t testing.TB, s *Store, log string, p block.Producer, want uint64) {
	t.Helper()
	got, _, err := s.Committed(log, p)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("committed is %d, want %d", got, want)
	}
}

// files returns the log's files, rotated ones first, oldest first.
func files(t testing.TB, root, log string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, log+"_*.log"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if active := filepath.Join(root, logname.Active(log)); exists(active) {
		all = append(all, active)
	}
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// content returns all that the log's files hold.
func content(t testing.TB, root, log string) string {
	t.Helper()
	var all []byte
	for _, f := range files(t, root, log) {
		p, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p...)
	}
	return string(all)
}

func wantContent(t testing.TB, root, log, want string) {
	t.Helper()
	if diff := cmp.Diff(want, content(t, root, log)); diff != "" {
		t.Errorf("wrong content (-want +got):\n%s", diff)
	}
}

func TestCommittedLinesSurviveACrashAndOthersDoNot(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("web/a", alice, 1, 3, 10))
	wantCommitted(t, s, "web/a", alice, 0)
	mustCommit(t, s)
	wantCommitted(t, s, "web/a", alice, 3)
	mustAppend(t, s, numbered("web/a", alice, 4, 5, 10))
	crash(t, s)

	s = open(t, root, Options{})
	wantContent(t, root, "web/a", lines(alice, 1, 3, 10))
	wantCommitted(t, s, "web/a", alice, 3)
	mustAppend(t, s, numbered("web/a", alice, 4, 5, 10))
	mustCommit(t, s)
	wantContent(t, root, "web/a", lines(alice, 1, 5, 10))
}

func TestRepeatedLinesAreSkipped(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("a", alice, 1, 3, 10))
	for name, b := range map[string]Block{
		"the same, not committed yet": numbered("a", alice, 1, 3, 10),
		"a part of it":                numbered("a", alice, 2, 2, 10),
	} {
		if written := mustAppend(t, s, b); len(written) != 0 {
			t.Errorf("%s: wrote %q", name, written)
		}
	}
	mustCommit(t, s)
	s.Close()
	s = open(t, root, Options{})
	if written := mustAppend(t, s, numbered("a", alice, 2, 5, 10)); string(written) != lines(alice, 4, 5, 10) {
		t.Errorf("an overlapping block wrote %q", written)
	}
	mustAppend(t, s, numbered("a", bob, 1, 1, 10)) // another producer counts for itself
	mustCommit(t, s)
	wantContent(t, root, "a", lines(alice, 1, 5, 10)+lines(bob, 1, 1, 10))
}

func TestGapIsRefusedUnlessItsLinesAreGone(t *testing.T) {
	root := t.TempDir()
	var logged bytes.Buffer
	s := open(t, root, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	b := numbered("a", alice, 5, 6, 10)
	_, _, err := s.Append(b)
	gap, ok := errors.AsType[*GapError](err)
	if !ok || gap.Next != 3 || gap.First != 5 {
		t.Fatalf("got %v", err)
	}
	b.Oldest = 5
	mustAppend(t, s, b)
	mustCommit(t, s)
	wantContent(t, root, "a", lines(alice, 1, 2, 10)+lines(alice, 5, 6, 10))
	if !strings.Contains(logged.String(), "from=3 to=4") {
		t.Errorf("the gap was not said: %s", logged.String())
	}
}

func TestOldEpochIsFenced(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	if err := s.Claim("a", 7); err != nil {
		t.Fatal(err)
	}
	crash(t, s)
	s = open(t, root, Options{})
	for epoch, fenced := range map[uint64]bool{0: false, 6: true, 7: false} {
		if got := isFenced(s.Claim("a", epoch)); got != fenced {
			t.Errorf("claim of epoch %d: fenced is %t", epoch, got)
		}
		b := numbered("a", alice, 1, 1, 10)
		b.Epoch = epoch
		if _, _, err := s.Append(b); isFenced(err) != fenced {
			t.Errorf("append in epoch %d: %v", epoch, err)
		}
	}
	if err := s.Claim("a", 9); err != nil {
		t.Fatal(err)
	}
	b := numbered("a", alice, 2, 2, 10)
	b.Epoch = 7
	if _, _, err := s.Append(b); !isFenced(err) {
		t.Errorf("a stream of the old owner went on: %v", err)
	}
}

func isFenced(err error) bool {
	_, ok := errors.AsType[*FencedError](err)
	return ok
}

func TestFilesRotateAtTheMaximalSize(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 100}})
	mustAppend(t, s, numbered("d/a", alice, 1, 25, 10)) // 250 bytes in one block
	mustAppend(t, s, numbered("d/a", alice, 26, 26, 200))
	mustAppend(t, s, numbered("d/a", alice, 27, 27, 10))
	mustCommit(t, s)
	wantContent(t, root, "d/a", lines(alice, 1, 25, 10)+line(alice, 26, 200)+line(alice, 27, 10))
	var sizes []int64
	for _, f := range files(t, root, "d/a") {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if diff := cmp.Diff([]int64{100, 100, 50, 200, 10}, sizes); diff != "" {
		t.Error(diff)
	}
}

func TestRotatedNamesRiseWhateverTheClockDoes(t *testing.T) {
	root := t.TempDir()
	clock := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	now := func() time.Time { return clock }
	var n uint64
	for _, step := range []time.Duration{0, 0, -24 * time.Hour, time.Hour, 365 * 24 * time.Hour, -time.Second} {
		clock = clock.Add(step)
		s := open(t, root, Options{Policy: Policy{MaxSize: 10}, Now: now})
		for range 3 {
			n++
			mustAppend(t, s, numbered("a", alice, n, n, 10))
		}
		mustCommit(t, s)
		s.Close()
	}
	wantContent(t, root, "a", lines(alice, 1, n, 10))
	if first := filepath.Base(files(t, root, "a")[0]); first != "a_20260304T050607.000000Z.log" {
		t.Errorf("the first rotated file is %s", first)
	}
}

func TestUncommittedRotationsAreUndone(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 100}})
	mustAppend(t, s, numbered("a", alice, 1, 15, 10))
	mustCommit(t, s)
	committed := content(t, root, "a")
	before := files(t, root, "a")
	mustAppend(t, s, numbered("a", alice, 16, 60, 10))
	if len(files(t, root, "a")) < 4 {
		t.Fatal("nothing was rotated")
	}
	crash(t, s)
	s = open(t, root, Options{Policy: Policy{MaxSize: 100}})
	wantContent(t, root, "a", committed)
	if diff := cmp.Diff(before, files(t, root, "a")); diff != "" {
		t.Error(diff)
	}
	mustAppend(t, s, numbered("a", alice, 16, 60, 10))
	mustCommit(t, s)
	wantContent(t, root, "a", lines(alice, 1, 60, 10))
}

// TestRecoveryMayBeInterrupted stops the undoing of rotations after each of its steps.
func TestRecoveryMayBeInterrupted(t *testing.T) {
	for steps := range 5 {
		root := t.TempDir()
		s := open(t, root, Options{Policy: Policy{MaxSize: 100}})
		mustAppend(t, s, numbered("a", alice, 1, 5, 10))
		mustCommit(t, s)
		mustAppend(t, s, numbered("a", alice, 6, 45, 10))
		all := files(t, root, "a") // four rotated ones and the active file
		crash(t, s)
		for i := range min(steps, 3) { // the newest are removed first
			if err := os.Remove(all[3-i]); err != nil {
				t.Fatal(err)
			}
		}
		if steps == 4 { // then the oldest is renamed back
			if err := os.Rename(all[0], all[4]); err != nil {
				t.Fatal(err)
			}
		}
		s = open(t, root, Options{Policy: Policy{MaxSize: 100}})
		wantContent(t, root, "a", lines(alice, 1, 5, 10))
		mustAppend(t, s, numbered("a", alice, 6, 45, 10))
		mustCommit(t, s)
		wantContent(t, root, "a", lines(alice, 1, 45, 10))
	}
}

func TestFileOfBeforeIsContinued(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.log"), []byte("old\nunended"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("a", alice, 1, 1, 10))
	crash(t, s)
	s = open(t, root, Options{})
	mustAppend(t, s, numbered("a", alice, 1, 1, 10))
	mustCommit(t, s)
	wantContent(t, root, "a", "old\nunended\n"+line(alice, 1, 10))
}

func TestShortenedFileIsSaidAndContinued(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("a", alice, 1, 3, 10))
	mustCommit(t, s)
	s.Close()
	if err := os.Truncate(filepath.Join(root, "a.log"), 10); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	s = open(t, root, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if !strings.Contains(logged.String(), "shorter than what was committed") {
		t.Errorf("nothing was said: %s", logged.String())
	}
	mustAppend(t, s, numbered("a", alice, 4, 4, 10))
	mustCommit(t, s)
	wantContent(t, root, "a", line(alice, 1, 10)+line(alice, 4, 10))
}

func TestFailingLogHarmsNoOther(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "file.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, root, Options{})
	if _, _, err := s.Append(numbered("file.log/a", alice, 1, 1, 10)); err == nil { // its folder is a file
		t.Error("the impossible was done")
	}
	mustAppend(t, s, numbered("b", alice, 1, 1, 10))
	mustCommit(t, s)
	wantCommitted(t, s, "b", alice, 1)
}

// TestFailedSyncTakesBackWhatItConcerns closes a log's file under the store, so that its sync fails.
func TestFailedSyncTakesBackWhatItConcerns(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{})
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	ticket, err := s.AppendLines("a", 0, []byte("direct\n"))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, numbered("b", alice, 1, 1, 10))
	s.log("a").file.Close()
	mustCommit(t, s)
	if err := ticket.Lost(); !errors.Is(err, ErrLost) {
		t.Errorf("the ticket says %v", err)
	}
	wantCommitted(t, s, "a", alice, 0)
	wantCommitted(t, s, "b", alice, 1)
	mustAppend(t, s, numbered("a", alice, 1, 2, 10))
	mustCommit(t, s)
	wantCommitted(t, s, "a", alice, 2)
	wantContent(t, root, "a", lines(alice, 1, 2, 10))
}

func TestNothingLeavesTheRoot(t *testing.T) {
	outside := t.TempDir()
	root := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	s := open(t, root, Options{})
	for _, name := range []string{"link/a", "../a", "/a", ".scribe/a", ""} {
		if err := s.Claim(name, 1); err == nil {
			t.Errorf("log %q was taken", name)
		}
	}
	if left, err := fs.Glob(os.DirFS(outside), "*"); err != nil || len(left) > 0 {
		t.Errorf("outside the root: %v, %v", left, err)
	}
}

func TestSecondScribeIsRefused(t *testing.T) {
	root := t.TempDir()
	open(t, root, Options{})
	if _, err := Open(root, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
}

func TestManyTinyFilesKeepFewOpen(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 10}})
	mustAppend(t, s, numbered("a", alice, 1, 500, 10))
	if n := len(s.log("a").full); n > maxFull {
		t.Errorf("%d rotated files are open", n)
	}
	mustCommit(t, s)
	wantContent(t, root, "a", lines(alice, 1, 500, 10))
}
