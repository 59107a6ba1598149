package tail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// both runs the test with events and polls, and with polls alone.
func both(t *testing.T, test func(t *testing.T, f *fixture), globs ...string) {
	t.Run("watched", func(t *testing.T) {
		t.Parallel()
		test(t, newFixture(t, slices.Clone(globs)...))
	})
	t.Run("polled", func(t *testing.T) {
		t.Parallel()
		test(t, newFixture(t, slices.Clone(globs)...).blind())
	})
}

func TestAppend(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 10))
		f.up()
		f.wants("app", lines("a", 0, 10))
		f.write("app.log", lines("a", 10, 11))
		f.wants("app", lines("a", 0, 11))
		f.write("app.log", "")
		f.write("new.log", "hello\n")
		f.wants("new", "hello\n")
		f.down()
		f.write("app.log", lines("a", 11, 20))
		f.up()
		f.wants("app", lines("a", 0, 20))
		f.write("app.log", lines("a", 20, 21))
		f.wants("app", lines("a", 0, 21))
	}, "*.log")
}

func TestUnfinishedLineWaits(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.up()
		f.write("app.log", "one\nab")
		f.wants("app", "one\n")
		f.scans(3)
		f.write("app.log", "c")
		f.scans(3)
		f.wants("app", "one\n")
		f.down()
		f.write("app.log", "d")
		f.up()
		f.scans(3)
		f.wants("app", "one\n")
		f.write("app.log", "e\nf")
		f.wants("app", "one\nabcde\n")
	}, "*.log")
}

func TestLongUnfinishedLineGrows(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.up()
	want := ""
	for range 40 {
		part := strings.Repeat("x", 1000)
		f.write("app.log", part)
		want += part
		f.scans(1)
	}
	f.write("app.log", "end\nnext\n")
	f.wants("app", want+"end\nnext\n")
}

func TestBinaryBytesPass(t *testing.T) {
	f := newFixture(t, "*.log")
	var b strings.Builder
	for i := range 256 {
		b.WriteString(strings.Repeat(string([]byte{byte(i)}), 3))
	}
	text := "\r\n\x00\x00\n" + b.String() + "\xff\xfe\xc3\x28\r\n\n\n"
	f.write("app.log", text)
	f.up()
	f.wants("app", text)
}

func TestSmallFilesGrow(t *testing.T) {
	f := newFixture(t, "*.log")
	f.up()
	want := ""
	for i := range 60 {
		c := string(rune('a' + i%26))
		if i%7 == 6 {
			c = "\n"
		}
		f.write("app.log", c)
		want += c
		if i%13 == 0 {
			f.down()
			f.up()
		}
	}
	want = want[:strings.LastIndexByte(want, '\n')+1]
	f.wants("app", want)
}

// Without times of birth, content alone tells a reused inode.
func TestDelete(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.Grace = 20 * time.Millisecond
	f.up()
	f.write("app.log", "one\nend")
	f.wants("app", "one\n")
	f.remove("app.log")
	f.wants("app", "one\nend\n")
	if !f.eventually(func() bool { return len(f.checkpoints()) == 0 && f.source.Stats().Open == 0 }) {
		t.Fatalf("still there: %v, %d open", f.checkpoints(), f.source.Stats().Open)
	}
	f.write("app.log", "two\n")
	f.wants("app", "one\nend\ntwo\n")
}

func TestUnfinishedLineOfRotatedFile(t *testing.T) {
	f := newFixture(t, "app.log")
	f.cfg.Grace = 20 * time.Millisecond
	f.up()
	f.write("app.log", "one\nend")
	f.wants("app", "one\n")
	f.rename("app.log", "app.log.1")
	f.wants("app", "one\nend\n")
	f.write("app.log", "two\n")
	f.wants("app", "one\nend\ntwo\n")
	f.eventually(func() bool { return f.source.Stats().Open == 1 })
	f.down()
	f.up()
	f.scans(5)
	f.wants("app", "one\nend\ntwo\n")
}

func TestForgetsFilesThatWentWhileDown(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.ForgetAfter = 20 * time.Millisecond
	f.write("app.log", "one\n")
	f.write("other.log", "x\n")
	f.up()
	f.wants("app", "one\n")
	f.wants("other", "x\n")
	f.down()
	f.remove("app.log")
	f.up()
	if !f.eventually(func() bool { return len(f.checkpoints()) == 1 }) {
		t.Fatalf("still there: %v", f.checkpoints())
	}
	f.write("other.log", "y\n")
	f.wants("other", "x\ny\n")
}

func TestUnreadable(t *testing.T) {
	f := newFixture(t, "*.log")
	var locked atomicBool
	f.cfg.open = func(path string) (*os.File, error) {
		if locked.get() && filepath.Base(path) == "app.log" {
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrPermission}
		}
		return openFile(path)
	}
	locked.set(true)
	f.write("app.log", "one\n")
	f.write("other.log", "x\n")
	f.up()
	f.wants("other", "x\n")
	f.scans(5)
	if !f.eventually(func() bool { return f.source.Stats().Unreadable == 1 }) {
		t.Error("it is not counted")
	}
	if n := strings.Count(f.logged.String(), "cannot read file"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	locked.set(false)
	f.wants("app", "one\n")
}

func TestFoldersThatAppear(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.cfg.Sections[0].Log = "{dir}/{stem}"
		f.up()
		f.scans(1)
		f.check(os.MkdirAll(f.path("srv/a/b"), 0o755))
		f.write("srv/a/b/app.log", "one\n")
		f.wants("b/app", "one\n")
		f.check(os.MkdirAll(f.path("srv/c"), 0o755))
		f.write("srv/c/app.log", "two\n")
		f.write("srv/app.log", "three\n")
		f.wants("c/app", "two\n")
		f.wants("srv/app", "three\n")
		f.check(os.RemoveAll(f.path("srv")))
		f.scans(2)
		f.check(os.MkdirAll(f.path("srv/a/b"), 0o755))
		f.write("srv/a/b/app.log", "four\n")
		f.wants("b/app", "one\nfour\n")
	}, "srv/**/app.log")
}

func TestLongLines(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.MaxLine = 100
	f.cfg.chunk = 1000
	x := func(n int) string { return strings.Repeat("x", n) }
	f.write("app.log", "before\n"+x(100)+"\n"+x(101)+"\n"+x(5000))
	f.up()
	want := "before\n" + x(100) + "\n" + x(100) + "\nx\n" + strings.Repeat(x(100)+"\n", 49)
	f.wants("app", want)
	f.down()
	f.write("app.log", x(30))
	f.up()
	want += x(100) + "\n"
	f.wants("app", want)
	f.write("app.log", "\nafter\n")
	f.wants("app", want+x(30)+"\nafter\n")
}

func TestFromEnd(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.Sections[0].FromEnd = true
	f.write("app.log", "old\nunfin")
	f.up()
	f.scans(2)
	f.write("app.log", "ished\nnew\n")
	f.wants("app", "unfinished\nnew\n")
	f.write("later.log", "from the beginning\n")
	f.wants("later", "from the beginning\n")
	f.down()
	f.write("down.log", "also\n")
	f.write("app.log", "more\n")
	f.up()
	f.wants("down", "also\n")
	f.wants("app", "unfinished\nnew\nmore\n")
}

func TestFromEndWithoutFilesAtFirst(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.Sections[0].FromEnd = true
	f.up()
	f.scans(1)
	f.eventually(func() bool { n := 0; f.spool.do(func() { n = len(f.spool.checkpoints) }); return n > 0 })
	f.down()
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
}

func TestSpoolFails(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", lines("a", 0, 10))
	f.spool.fail = 3
	f.up()
	f.wants("app", lines("a", 0, 10))
	f.spool.do(func() { f.spool.fail = 2 })
	f.write("app.log", lines("a", 10, 20))
	f.wants("app", lines("a", 0, 20))
	if n := strings.Count(f.logged.String(), "cannot append"); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestStopsWhileSpoolIsFull(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.cfg.chunk = 1 << 20
	for _, n := range []string{"a", "b", "c", "d"} {
		f.write(n+".log", strings.Repeat("0123456789abcde\n", 1<<19))
	}
	f.spool.blocked = make(chan struct{})
	f.up()
	f.scans(5)
	f.down()
	f.spool.blocked = nil
	f.up()
	for _, n := range []string{"a", "b", "c", "d"} {
		f.wants(n, strings.Repeat("0123456789abcde\n", 1<<19))
	}
}

func TestSpecialFilesAreSkipped(t *testing.T) {
	f := newFixture(t, "*.log")
	f.check(os.Mkdir(f.path("dir.log"), 0o755))
	f.check(mkfifo(f.path("fifo.log")))
	f.check(os.Symlink("nowhere", f.path("dangling.log")))
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.scans(2)
	if n := f.source.Stats().Tailed; n != 1 {
		t.Errorf("%d files are tailed, want 1", n)
	}
}

func TestDescriptorsAreLimited(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.MaxOpen = 5
	f.up()
	want := map[string]string{}
	for round := range 3 {
		for i := range 50 {
			name := "f" + string(rune('a'+i%25)) + string(rune('0'+i/25))
			text := lines(name, round, round+1)
			f.write(name+".log", text)
			want[name] += text
		}
	}
	for name, text := range want {
		f.wants(name, text)
	}
	if !f.eventually(func() bool { return f.source.Stats().Open <= 5 }) {
		t.Errorf("%d descriptors are open", f.source.Stats().Open)
	}
}
