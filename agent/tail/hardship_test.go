package tail

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// A source that stops in the middle of a file, which is then rotated twice, goes on at the exact byte.
func TestRotationWhileDownInTheMiddleOfAFile(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.cfg.chunk, f.cfg.MaxLine = 500, 100
		f.spool.lottery = true
		f.write("app.log", lines("a", 0, 5000))
		f.up()
		f.eventually(func() bool { return len(f.spool.log("app")) > 20_000 })
		f.down()
		if got := len(f.spool.log("app")); got >= len(lines("a", 0, 5000)) {
			t.Skipf("the file was read to its end, %d bytes", got)
		}
		f.rename("app.log", "app.log.2")
		f.write("app.log", lines("b", 0, 100))
		f.rename("app.log", "app.log.1")
		f.write("app.log", lines("c", 0, 100))
		f.up()
		f.wantsOnly(lines("a", 0, 5000) + lines("b", 0, 100) + lines("c", 0, 100))
	})
}

// A path that came and was rotated away while nothing was running is read; what is older is not.
func TestNewPathIsRotatedWhileDown(t *testing.T) {
	t.Parallel()
	everyGlob(t, func(t *testing.T, f *fixture) {
		f.write("other.log", "x\n")
		f.up()
		f.scans(2)
		f.down()
		time.Sleep(clockTick)
		f.write("app.log", lines("a", 0, 10))
		f.rename("app.log", "app.log.2")
		f.write("app.log", lines("b", 0, 10))
		f.pack("app.log", "app.log.1.gz")
		f.write("app.log", lines("c", 0, 10))
		f.up()
		f.wantsOnly(lines("a", 0, 10) + lines("b", 0, 10) + lines("c", 0, 10))
		f.down()
		f.up()
		f.wantsOnly(lines("a", 0, 10) + lines("b", 0, 10) + lines("c", 0, 10))
	})
}

// A name may be a rotated one of several bases. The path that is known is the right one, and else the shortest.
func TestAmbiguousRotatedNames(t *testing.T) {
	for _, known := range []bool{true, false} {
		everyGlob(t, func(t *testing.T, f *fixture) {
			if known {
				f.write("app.log", lines("a", 0, 10))
			}
			f.write("other.log", "")
			f.up()
			f.scans(2)
			f.down()
			time.Sleep(clockTick)
			f.write("app.log", lines("a", 10, 20))
			f.rename("app.log", "app.log-20260101T101010.000001")
			f.write("app.log", lines("b", 0, 10))
			f.rename("app.log", "app.log-20260101T101011.000002")
			f.write("app.log", lines("c", 0, 10))
			f.up()
			first := lines("a", 10, 20)
			if known {
				first = lines("a", 0, 20)
			}
			want := first + lines("b", 0, 10) + lines("c", 0, 10)
			f.wantsOnly(want)
			f.down()
			f.write("app.log", lines("c", 10, 20))
			f.rename("app.log", "app.log-20260101T101012.000003")
			f.write("app.log", lines("d", 0, 10))
			f.rename("app.log", "app.log-20260101T101013.000004")
			f.up()
			f.wantsOnly(want + lines("c", 10, 20) + lines("d", 0, 10))
		})
	}
}

// throttled is a spool that takes few bytes a second.
type throttled struct {
	Spool
	mu    sync.Mutex
	delay time.Duration
}

func (s *throttled) slow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

func (s *throttled) Append(ctx context.Context, b spool.Batch) error {
	s.mu.Lock()
	d := s.delay
	s.mu.Unlock()
	time.Sleep(d)
	return s.Spool.Append(ctx, b)
}

// countingSpool looks at lines without keeping them.
type countingSpool struct {
	Spool
	mu          sync.Mutex
	total       int64
	fill        byte  // how many of these came ...
	filled      int64 // ... is counted here
	first, last []byte
}

func (s *countingSpool) Append(ctx context.Context, b spool.Batch) error {
	if err := s.Spool.Append(ctx, spool.Batch{Checkpoints: b.Checkpoints}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range b.Drafts {
		sealed := d.Seal(block.Producer{}, 1)
		raw, err := sealed.Lines(nil)
		if err != nil {
			return err
		}
		s.total += int64(len(raw))
		s.filled += int64(bytes.Count(raw, []byte{s.fill}))
		if len(s.first) < 100 {
			s.first = append(s.first, raw[:min(100, len(raw))]...)
		}
		s.last = append([]byte(nil), raw[max(0, len(raw)-100):]...)
	}
	return nil
}

func (s *countingSpool) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *countingSpool) fills() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.filled
}

func (s *countingSpool) begins(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.HasPrefix(s.first, []byte(text))
}

func (s *countingSpool) ends(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.HasSuffix(s.last, []byte(text))
}

// Many files are renamed all the time while the spool is slower than their writers.
func TestManyRotationsWithASlowSpool(t *testing.T) {
	t.Parallel()
	files, rounds, every, perRound := 50, 6, 60*time.Millisecond, 120
	if *long {
		rounds, every, perRound = 100, 300*time.Millisecond, 600
	}
	f := newFixture(t, "*.log").real()
	slow := &throttled{Spool: f.spool, delay: 20 * time.Millisecond}
	f.cfg.Spool = slow
	f.patience = time.Minute
	want := make([]strings.Builder, files)
	name := func(i int) string { return fmt.Sprintf("f%c%c", 'a'+i/26, 'a'+i%26) }
	for i := range files {
		f.write(name(i)+".log", "first\n")
		want[i].WriteString("first\n")
	}
	f.up()
	f.scans(2)
	for round := range rounds {
		for i := range files {
			text := lines(fmt.Sprintf("%s round %d", name(i), round), 0, perRound)
			f.write(name(i)+".log", text)
			want[i].WriteString(text)
		}
		time.Sleep(every)
		for i := range files {
			for n := round; n > 0; n-- {
				f.rename(fmt.Sprintf("%s.log.%d", name(i), n), fmt.Sprintf("%s.log.%d", name(i), n+1))
			}
			f.rename(name(i)+".log", name(i)+".log.1")
		}
	}
	slow.slow(0)
	for i := range files {
		f.wants(name(i), want[i].String())
	}
}

// Files of equal heads, and files that grow byte by byte, are told apart.
func TestManyFilesWithEqualHeads(t *testing.T) {
	t.Parallel()
	n := 200
	if *long {
		n = 1000
	}
	f := newFixture(t, "*.log").real()
	f.cfg.MaxOpen = 50
	head := strings.Repeat("#Software: the same in all files\n", 124) // 4 KiB
	for i := range n {
		f.write(fmt.Sprintf("f%dx.log", i), head)
	}
	f.up()
	for i := range n {
		f.write(fmt.Sprintf("f%dx.log", i), fmt.Sprintf("file %d\n", i))
	}
	for i := range n {
		f.wants(fmt.Sprintf("f%dx", i), head+fmt.Sprintf("file %d\n", i))
	}
	f.down()
	for i := range 20 { // rotation into a file with an equal head
		name := fmt.Sprintf("f%dx.log", i)
		f.rename(name, name+".1")
		f.write(name, head+"next\n")
	}
	f.up()
	for i := range 20 {
		f.wants(fmt.Sprintf("f%dx", i), head+fmt.Sprintf("file %d\n", i)+head+"next\n")
	}
	f.scans(2)
	for i := range n {
		want := head + fmt.Sprintf("file %d\n", i)
		if i < 20 {
			want += head + "next\n"
		}
		f.wants(fmt.Sprintf("f%dx", i), want)
	}
}

func TestFilesGrowByteByByte(t *testing.T) {
	f := newFixture(t, "*.log").real()
	f.up()
	text := lines("some text", 0, 64)[:1024]
	for i := range text {
		f.write("app.log", text[i:i+1])
		if i%100 == 50 {
			f.wants("app", text[:strings.LastIndexByte(text[:i+1], '\n')+1])
		}
		if i%100 == 99 {
			f.down()
			f.up()
		}
	}
	f.wants("app", text[:strings.LastIndexByte(text, '\n')+1])
}

// A new file on the inode of a deleted one is read in full, whether shorter or longer than the old position, whether the
// file system knows times of birth or not.
func TestReusedInodes(t *testing.T) {
	for _, births := range []bool{true, false} {
		for _, running := range []bool{true, false} {
			t.Run(fmt.Sprintf("births=%v running=%v", births, running), func(t *testing.T) {
				f := newFixture(t, "*.log").real()
				f.cfg.Grace = time.Millisecond
				if !births {
					f.cfg.stat = func(path string) (fileStat, error) { st, err := statPath(path); st.born = 0; return st, err }
					f.cfg.fstat = func(file *os.File) (fileStat, error) { st, err := statFile(file); st.born = 0; return st, err }
				}
				want, reused := "", 0
				var last inode
				f.up()
				for i := range 20 {
					text := lines(fmt.Sprintf("generation %d", i), 0, 1+(i%2)*50)
					if !running {
						f.down()
					}
					f.write("app.log", text)
					want += text
					st, err := statPath(f.path("app.log"))
					f.check(err)
					if st.inode == last {
						reused++
					}
					last = st.inode
					if !running {
						f.up()
					}
					f.wants("app", want)
					if !running {
						f.down()
					}
					f.remove("app.log")
					if !running {
						f.up()
						continue
					}
					f.eventually(func() bool { return f.source.Stats().Open == 0 })
				}
				t.Logf("%d of 20 files got the inode of the one before", reused)
			})
		}
	}
}

// Links are swapped while what they lead to gets lines.
func TestSwappedLinks(t *testing.T) {
	swaps := 200
	if *long {
		swaps = 1000
	}
	both(t, func(t *testing.T, f *fixture) {
		f.cfg.Sections[0].Log = "all"
		for i := range 2 {
			f.check(os.MkdirAll(f.path(fmt.Sprintf("releases/%d", i)), 0o755))
			f.write(fmt.Sprintf("releases/%d/app.log", i), "")
		}
		point := func(n int) {
			f.check(os.Symlink(fmt.Sprintf("releases/%d", n), f.path("swap")))
			f.rename("swap", "current")
			f.check(os.Symlink(fmt.Sprintf("releases/%d/app.log", n), f.path("swap")))
			f.rename("swap", "link.log")
		}
		f.up()
		for n := range 2 { // both targets were seen before the swapping begins
			point(n)
			f.write(fmt.Sprintf("releases/%d/app.log", n), "first\n")
			want := strings.Repeat("first\n", n+1)
			f.wants("all", want)
		}
		var want []string
		for i := range swaps {
			point(i % 2)
			for n := range 2 {
				line := fmt.Sprintf("target %d line %d", n, i)
				f.write(fmt.Sprintf("releases/%d/app.log", n), line+"\n")
				want = append(want, line)
			}
		}
		done := func() bool { return strings.Count(f.spool.log("all"), "\n") >= len(want)+2 }
		f.eventually(done)
		f.scans(3)
		got := strings.Split(strings.TrimSuffix(f.spool.log("all"), "\n"), "\n")[2:]
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d lines came, %d were written", len(got), len(want))
		}
	}, "current/app.log", "link.log")
}

// A line as long as many buffers, between two normal ones, costs neither memory nor its neighbours.
func TestHugeLine(t *testing.T) {
	size := int64(48 << 20)
	if *long {
		size = 1 << 30
	}
	for _, c := range []struct {
		name string
		fill byte
	}{{"sparse NULs", 0}, {"text", 'x'}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, "*.log").real()
			counting := &countingSpool{Spool: f.spool, fill: c.fill}
			f.cfg.Spool = counting
			f.patience = 10 * time.Minute
			f.write("app.log", "before\n")
			file, err := os.OpenFile(f.path("app.log"), os.O_WRONLY, 0)
			f.check(err)
			if c.fill != 0 {
				block := []byte(strings.Repeat(string(rune(c.fill)), 1<<20))
				for at := int64(7); at < 7+size; at += 1 << 20 {
					_, err = file.WriteAt(block, at)
					f.check(err)
				}
			}
			_, err = file.WriteAt([]byte("\nafter\n"), 7+size)
			f.check(err)
			f.check(file.Close())

			f.up()
			most := uint64(0)
			restarted := false
			f.eventually(func() bool {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
				if !restarted && counting.bytes() > size/2 {
					restarted = true
					f.down()
					f.up()
				}
				return counting.ends("after\n")
			})
			if !counting.ends("after\n") || !counting.begins("before\n") {
				t.Errorf("the neighbours did not come")
			}
			if got, want := counting.fills(), size; got != want {
				t.Errorf("%d bytes of the line came, want %d", got, want)
			}
			if limit := uint64(150 << 20); most > limit {
				t.Errorf("%d MiB of heap", most>>20)
			}
		})
	}
}

// A file that can't be read for a while is read from its first byte afterwards, and so is what was rotated meanwhile.
func TestUnreadableAfterRotation(t *testing.T) {
	f := newFixture(t, "app.log").real()
	var locked atomicBool
	f.cfg.open = func(path string) (*os.File, error) {
		if st, err := os.Stat(path); err == nil && locked.get() && st.Mode().Perm() == 0 { // root may read everything
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrPermission}
		}
		return openFile(path)
	}
	locked.set(true)
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.down()
	f.rename("app.log", "app.log.1")
	f.write("app.log", "two\n")
	f.check(os.Chmod(f.path("app.log"), 0))
	f.up()
	if !f.eventually(func() bool { return f.source.Stats().Unreadable == 1 }) {
		t.Error("it is not counted")
	}
	f.write("app.log.1", "late\n")
	f.wants("app", "one\nlate\n")
	f.check(os.Chmod(f.path("app.log"), 0o644))
	f.wants("app", "one\nlate\ntwo\n")
	if !f.eventually(func() bool { return f.source.Stats().Unreadable == 0 }) {
		t.Error("it is still counted")
	}
	if n := strings.Count(f.logged.String(), "cannot read file"); n > 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

// A clock that was set back makes files look older than those before them.
func TestClockSetBack(t *testing.T) {
	f := newFixture(t, "app.log").real()
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.down()
	ahead := time.Now().Add(24 * time.Hour) // it is written before the clock is set back
	f.write("app.log", "two\n")
	f.check(os.Chtimes(f.path("app.log"), ahead, ahead))
	f.up()
	f.wants("app", "one\ntwo\n")
	f.down()
	f.rename("app.log", "app.log.2")
	f.write("app.log", "three\n")
	f.rename("app.log", "app.log.1")
	time.Sleep(clockTick)
	f.write("app.log", "four\n")
	f.up()
	f.wants("app", "one\ntwo\nthree\nfour\n")
}

// Many files, and a kernel that allows few watches: what is missing is polled, and that is said once.
func TestFewWatches(t *testing.T) {
	dirs, perDir, watches := 10, 50, "3"
	if *long {
		dirs, perDir, watches = 50, 100, "10"
	}
	if os.Getenv("TAIL_FEW_WATCHES") == "" {
		if os.Geteuid() != 0 {
			t.Skip("only root may limit the watches of a user namespace")
		}
		test := exec.Command("unshare", "--user", "--map-root-user", "sh", "-c",
			"echo "+watches+" > /proc/sys/user/max_inotify_watches && echo 1 > /proc/sys/user/max_inotify_instances && exec \"$0\" \"$@\"",
			os.Args[0], "-test.run", "^TestFewWatches$", "-test.v", fmt.Sprintf("-long=%v", *long))
		test.Env = append(os.Environ(), "TAIL_FEW_WATCHES=1")
		out, err := test.CombinedOutput()
		if strings.Contains(string(out), "unshare") || strings.Contains(string(out), "/proc/sys/user") {
			t.Skipf("no user namespace to be had: %s", out)
		}
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	f := newFixture(t, "*/*.log").real()
	f.cfg.Sections[0].Log = "{dir}/{stem}"
	f.cfg.MaxOpen = 100
	f.patience = time.Minute
	for d := range dirs {
		f.check(os.Mkdir(f.path(fmt.Sprint(d)), 0o755))
	}
	f.up()
	f.scans(1)
	for i := range 2 {
		for d := range dirs {
			for n := range perDir {
				f.write(fmt.Sprintf("%d/f%dx.log", d, n), fmt.Sprintf("line %d\n", i))
			}
		}
	}
	for d := range dirs {
		for n := range perDir {
			f.wants(fmt.Sprintf("%d/f%dx", d, n), "line 0\nline 1\n")
		}
	}
	if n := strings.Count(f.logged.String(), "cannot watch some folders"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	instances := 0
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); strings.Contains(to, "inotify") {
			instances++
		}
	}
	if instances != 1 {
		t.Errorf("%d inotify instances, want 1", instances)
	}
}

// Any bytes, written in any pieces, come as they are.
func TestRandomBytesInPieces(t *testing.T) {
	f := newFixture(t, "*.log").real()
	f.up()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var all strings.Builder
	file, err := os.OpenFile(f.path("app.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	f.check(err)
	defer file.Close()
	for range 10_000 {
		line := make([]byte, random.IntN(60))
		for i := range line {
			if line[i] = byte(random.IntN(256)); line[i] == '\n' {
				line[i] = 0
			}
		}
		line = append(line, '\n')
		all.Write(line)
		for pieces := 1 + random.IntN(5); pieces > 0; pieces-- {
			n := len(line)
			if pieces > 1 {
				n = random.IntN(len(line) + 1)
			}
			_, err := file.Write(line[:n])
			f.check(err)
			line = line[n:]
		}
	}
	f.wants("app", all.String())
}
