package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/internal/logname"
)

// fill appends lines of ten bytes, each to a file of its own a minute after the other, and commits them: all but the last
// stand in rotated files.
func fill(t *testing.T, s *Store, c *clock, log string, first, last uint64) {
	t.Helper()
	for n := first; n <= last; n++ {
		mustAppend(t, s, numbered(log, alice, n, n, 10))
		c.Time = c.Add(time.Minute)
	}
	mustCommit(t, s)
}

// tidy does what the keeper does at each scan.
func tidy(t testing.TB, s *Store) {
	t.Helper()
	if s.archive == nil {
		return
	}
	s.receive()
	if err := s.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.trimAll(t.Context())
}

func TestPoliciesDeleteTheOldestFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		policy  Policy
		deleted map[Reason]Volume
		left    uint64 // the first line that is left of ten
	}{
		"all":          {Policy{}, nil, 1},
		"files":        {Policy{KeepFiles: 3}, map[Reason]Volume{KeepFiles: {6, 60}}, 7},
		"bytes":        {Policy{KeepBytes: 45}, map[Reason]Volume{KeepBytes: {5, 50}}, 6},
		"no bytes":     {Policy{KeepBytes: 1}, map[Reason]Volume{KeepBytes: {9, 90}}, 10},
		"age":          {Policy{KeepAge: 150 * time.Second}, map[Reason]Volume{KeepAge: {7, 70}}, 8},
		"several":      {Policy{KeepFiles: 5, KeepBytes: 20, KeepAge: time.Hour}, map[Reason]Volume{KeepFiles: {4, 40}, KeepBytes: {3, 30}}, 8},
		"more than is": {Policy{KeepFiles: 50, KeepBytes: 1000, KeepAge: time.Hour}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			root, c := t.TempDir(), newClock()
			tc.policy.MaxSize = 10
			s := open(t, root, Options{Policy: Policy{MaxSize: 10}, Rules: []Rule{{"a", tc.policy}, {"*", Policy{KeepFiles: 1}}}, Now: c.now, manual: true})
			fill(t, s, c, "a", 1, 10)
			tidy(t, s)
			wantContent(t, root, "a", lines(alice, tc.left, 10, 10))
			if diff := cmp.Diff(tc.deleted, s.Stats().Deleted); diff != "" {
				t.Errorf("wrong counts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRotationsAreTrimmedWithoutAScan is what keeps the disk from filling between two scans.
func TestRotationsAreTrimmedWithoutAScan(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, Options{Policy: Policy{MaxSize: 10, KeepFiles: 2}, Now: c.now, manual: true})
	fill(t, s, c, "a", 1, 10)
	s.trim(s.receive())
	wantContent(t, root, "a", lines(alice, 8, 10, 10))
}

func TestOnlyCommittedRotatedFilesOfKnownLogsAreDeleted(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, Options{Policy: Policy{MaxSize: 10, KeepBytes: 1}, MinFree: 1 << 62, Now: c.now, manual: true})
	fill(t, s, c, "d/a", 1, 3)
	fill(t, s, c, "d/new", 1, 1)
	others := []string{
		"other_20200101T000000.000000Z.log", "a_20200101T000000.000000Z.log.bak", "a_20200101T000000.000000Z.log.bz2",
		"a_20200101.log", "a.log.1", "a_20200101T000000.000000Z.txt", "a_20990101T000000.000000Z.log", "new_20990101T000000.000000Z.log",
		".a_20990101T000000.000000Z.log.zst.tmp", ".other_20200101T000000.000000Z.log.zst.tmp", "a.log.tmp",
	}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(root, "d", name), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "d/a_20200102T000000.000000Z.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, numbered("d/a", alice, 4, 5, 10)) // two rotations that are not committed
	uncommitted := files(t, root, "d/a")
	tidy(t, s)
	if err := s.makeRoom(t.Context()); err == nil {
		t.Error("so much can't be free")
	}
	for _, name := range others {
		if !exists(filepath.Join(root, "d", name)) {
			t.Errorf("%s was deleted", name)
		}
	}
	for _, file := range uncommitted[len(uncommitted)-4:] { // two rotated files, that of the year 2099, the active one
		if !exists(file) {
			t.Errorf("%s was deleted", file)
		}
	}
	for _, file := range []string{"d/a_20200101T000000.000000Z.log.bz2", "d/a.log", "d/new.log"} {
		if !exists(filepath.Join(root, file)) {
			t.Errorf("%s was deleted", file)
		}
	}
	crash(t, s) // they are undone
	s = open(t, root, Options{Policy: Policy{MaxSize: 10}, Now: c.now, manual: true})
	wantCommitted(t, s, "d/a", alice, 3)
	if got, err := os.ReadFile(filepath.Join(root, "d/a.log")); err != nil || string(got) != line(alice, 3, 10) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFilesThatOthersDeletedAreForgotten(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, Options{Policy: Policy{MaxSize: 10, KeepFiles: 4}, Now: c.now, manual: true})
	fill(t, s, c, "a", 1, 5)
	tidy(t, s)
	for _, f := range files(t, root, "a")[:2] {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, s, c, "a", 6, 7)
	tidy(t, s)
	wantContent(t, root, "a", lines(alice, 3, 7, 10))
	if got := s.Stats().Deleted; len(got) != 0 {
		t.Errorf("deleted %v", got)
	}
}

// TestTenThousandFiles bounds the time of a scan and of the deletions that follow.
func TestTenThousandFiles(t *testing.T) {
	root, c := t.TempDir(), newClock()
	if memory, err := os.MkdirTemp("/dev/shm", "store-"); err == nil { // to make so many is slow on a disk
		root = memory
		t.Cleanup(func() { os.RemoveAll(memory) })
	}
	s := open(t, root, Options{Policy: Policy{MaxSize: 10, KeepFiles: 100}, Now: c.now, manual: true})
	fill(t, s, c, "a", 1, 2)
	for i := range 10_000 {
		name := logname.Rotated("a", c.Add(-time.Duration(i+10)*time.Minute))
		if err := os.WriteFile(filepath.Join(root, name), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	tidy(t, s)
	took := time.Since(begin)
	begin = time.Now()
	tidy(t, s)
	t.Logf("the first scan and 9901 deletions took %v, the next scan %v", took, time.Since(begin))
	if got := len(files(t, root, "a")); got != 101 {
		t.Errorf("%d files", got)
	}
	if took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestTheKeeperDeletesByItself also looks at what it logs.
func TestTheKeeperDeletesByItself(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Policy: Policy{MaxSize: 10, KeepFiles: 2}})
	mustAppend(t, s, numbered("a", alice, 1, 10, 10))
	mustCommit(t, s)
	for deadline := time.Now().Add(10 * time.Second); len(files(t, root, "a")) > 3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is deleted")
		}
	}
	begin := time.Now()
	if err := s.Close(); err != nil || time.Since(begin) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func TestTheFirstRuleCounts(t *testing.T) {
	s := open(t, t.TempDir(), Options{
		Policy: Policy{MaxSize: 1}, manual: true,
		Rules: []Rule{{"web/*", Policy{MaxSize: 2}}, {"web/**", Policy{MaxSize: 3}}, {"{db,cache}/[a-c]*", Policy{MaxSize: 4}}},
	})
	for log, want := range map[string]int64{"web/a": 2, "web/a/b": 3, "db/b": 4, "db/x": 1, "a": 1, "x/web/a": 1} {
		if got := s.policy(log).MaxSize; got != want {
			t.Errorf("%s: rule %d, want %d", log, got, want)
		}
	}
	for _, bad := range []string{"", "/web/*", "web//a", "web/", "./web", "../*"} {
		if CheckMatch(bad) == nil {
			t.Errorf("pattern %q, which no log matches, is taken", bad)
		}
	}
	if CheckMatch("web/[") == nil {
		t.Error("a bad pattern passed")
	}
	if err := CheckMatch("web/**"); err != nil {
		t.Error(err)
	}
}

func TestFilesAndFoldersHaveTheAccessOfTheOptions(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to give files away")
	}
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	root, c := filepath.Join(t.TempDir(), "root"), newClock()
	s := open(t, root, Options{
		Policy: Policy{MaxSize: 10, Compression: Zstd}, Now: c.now, manual: true,
		Access: Access{FileMode: 0o664, FolderMode: 0o777, Chown: true, UID: 1234, GID: 4321},
	})
	fill(t, s, c, "d/e/a", 1, 3)
	tidy(t, s)
	for _, j := range s.compressible()[:1] {
		s.compressOne(t.Context(), j)
	}
	var got []string
	for _, pattern := range []string{"", "d", "d/e", "d/e/*"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			st := info.Sys().(*syscall.Stat_t)
			got = append(got, fmt.Sprintf("%v %d:%d", info.Mode(), st.Uid, st.Gid))
		}
	}
	want := slices.Concat(slices.Repeat([]string{"drwxr-xr-x 1234:4321"}, 3), slices.Repeat([]string{"-rw-r--r-- 1234:4321"}, 3))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
