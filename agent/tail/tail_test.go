package tail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// both runs the test with events and polls, and with polls alone.
func both(t *testing.T, test func(t *testing.T, f *fixture), globs ...string) {
	t.Run("watched", func(t *testing.T) { test(t, newFixture(t, append([]string(nil), globs...)...)) })
	t.Run("polled", func(t *testing.T) { test(t, newFixture(t, append([]string(nil), globs...)...).blind()) })
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

func TestRotation(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.up()
		f.write("app.log", "one\n")
		f.wants("app", "one\n")
		f.rename("app.log", "app.log.1")
		f.write("app.log.1", "two\n") // the writer has not reopened yet
		f.write("app.log", "three\n")
		f.wants("app", "one\ntwo\nthree\n")
		f.write("app.log.1", "late\n")
		f.wants("app", "one\ntwo\nthree\nlate\n")
		f.rename("app.log.1", "app.log.2")
		f.rename("app.log", "app.log.1")
		f.wants("app", "one\ntwo\nthree\nlate\n")
		f.write("app.log.1", "four\n")
		f.write("app.log", "five\n")
		f.wants("app", "one\ntwo\nthree\nlate\nfour\nfive\n")
	}, "app.log")
}

func TestRotationWhileDown(t *testing.T) {
	for _, style := range []struct {
		name, first, second string
	}{
		{"numbers", "app.log.2", "app.log.1"},
		{"dates", "app.log-20260101", "app.log-20260102"},
		{"dates in the stem", "app-20260101.log", "app-20260102.log"},
		{"times", "app.log.2026-01-01T10:00:00", "app.log.2026-01-02T10:00:00"},
	} {
		t.Run(style.name, func(t *testing.T) {
			f := newFixture(t, "app.log")
			f.write("app.log", lines("a", 0, 10))
			f.up()
			f.wants("app", lines("a", 0, 10))
			f.down()
			f.write("app.log", lines("a", 10, 15))
			f.rename("app.log", style.first)
			f.write("app.log", lines("b", 0, 10))
			f.rename("app.log", style.second)
			f.write("app.log", lines("c", 0, 10))
			f.up()
			want := lines("a", 0, 15) + lines("b", 0, 10) + lines("c", 0, 10)
			f.wants("app", want)
			f.down()
			f.up()
			f.scans(3)
			f.wants("app", want)
		})
	}
}

func TestRotationWhileDownWithoutSuccessor(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.down()
	f.write("app.log", "two\n")
	f.rename("app.log", "app.log.2")
	f.write("app.log", "three\n")
	f.rename("app.log", "app.log.1")
	f.up()
	f.wants("app", "one\ntwo\nthree\n")
	f.write("app.log", "four\n")
	f.wants("app", "one\ntwo\nthree\nfour\n")
}

func TestManyRotationsBetweenLooks(t *testing.T) {
	f := newFixture(t, "app.log").blind()
	f.cfg.PollInterval, f.cfg.ScanInterval = 50*time.Millisecond, 50*time.Millisecond
	want := ""
	rotate := func(n int) {
		for i := n; i > 0; i-- {
			from := "app.log"
			if i > 1 {
				from += "." + string(rune('0'+i-1))
			}
			if _, err := os.Stat(f.path(from)); err == nil {
				f.rename(from, "app.log."+string(rune('0'+i)))
			}
		}
	}
	f.write("app.log", "start\n")
	want += "start\n"
	f.up()
	f.wants("app", want)
	for i := range 30 {
		text := lines("gen "+string(rune('a'+i)), 0, 3)
		f.write("app.log", text)
		want += text
		if i%4 == 3 {
			f.wants("app", want)
		}
		rotate(9)
	}
	f.wants("app", want)
}

func TestOldSiblingsAreNotRead(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log.2", "very old\n")
	f.write("app.log.1", "old\n")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.rename("app.log.2", "app.log.3")
	f.rename("app.log.1", "app.log.2")
	f.rename("app.log", "app.log.1")
	f.write("app.log", "two\n")
	f.wants("app", "one\ntwo\n")
	f.down()
	f.rename("app.log.3", "app.log.4")
	f.rename("app.log.2", "app.log.3")
	f.rename("app.log.1", "app.log.2")
	f.rename("app.log", "app.log.1")
	f.write("app.log", "three\n")
	f.up()
	f.wants("app", "one\ntwo\nthree\n")
	f.scans(3)
	f.wants("app", "one\ntwo\nthree\n")
}

func TestGlobCoversRotatedNames(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.cfg.Sections[0].Log = "all"
		f.write("app.log.2", "one\n")
		f.write("app.log.1", "two\n")
		f.write("app.log", "three\n")
		f.up()
		f.wants("all", "one\ntwo\nthree\n")
		f.rename("app.log.2", "app.log.3")
		f.rename("app.log.1", "app.log.2")
		f.rename("app.log", "app.log.1")
		f.write("app.log.1", "four\n")
		f.write("app.log", "five\n")
		f.wants("all", "one\ntwo\nthree\nfour\nfive\n")
		f.down()
		f.rename("app.log.3", "app.log.4")
		f.rename("app.log.2", "app.log.3")
		f.rename("app.log.1", "app.log.2")
		f.write("app.log", "six\n")
		f.rename("app.log", "app.log.1")
		f.write("app.log", "seven\n")
		f.up()
		f.wants("all", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n")
		f.scans(3)
		f.wants("all", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n")
	}, "app.log*")
}

func TestRotatedFileKeepsItsLog(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.rename("app.log", "app-20260101.log")
	f.write("app-20260101.log", "two\n")
	f.wants("app", "one\ntwo\n")
	f.down()
	f.write("app-20260101.log", "three\n")
	f.up()
	f.wants("app", "one\ntwo\nthree\n")
	f.write("app.log", "four\n")
	f.wants("app", "one\ntwo\nthree\nfour\n")
	f.scans(2)
	if got := f.spool.log("app-20260101"); got != "" {
		t.Errorf("the rotated file was read as a new one: %q", got)
	}
}

func TestTruncation(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.write("app.log", lines("a", 0, 10))
		f.up()
		f.wants("app", lines("a", 0, 10))
		f.check(os.Truncate(f.path("app.log"), 0))
		f.write("app.log", "b\n")
		f.wants("app", lines("a", 0, 10)+"b\n")
		f.down()
		f.check(os.WriteFile(f.path("app.log"), []byte(lines("c", 0, 100)), 0o644)) // longer than before
		f.up()
		f.wants("app", lines("a", 0, 10)+"b\n"+lines("c", 0, 100))
		f.check(os.WriteFile(f.path("app.log"), []byte(lines("d", 0, 100)), 0o644)) // as long as before
		f.wants("app", lines("a", 0, 10)+"b\n"+lines("c", 0, 100)+lines("d", 0, 100))
		if !strings.Contains(f.logged.String(), "truncated") {
			t.Error("no warning")
		}
	}, "app.log")
}

func TestTruncationBehindEqualHead(t *testing.T) {
	f := newFixture(t, "app.log")
	head := strings.Repeat("the same banner\n", 200)
	f.write("app.log", head+lines("a", 0, 10))
	f.up()
	f.wants("app", head+lines("a", 0, 10))
	f.down()
	f.check(os.WriteFile(f.path("app.log"), []byte(head+lines("b", 0, 100)), 0o644))
	f.up()
	f.wants("app", head+lines("a", 0, 10)+head+lines("b", 0, 100))
}

func TestEqualHeads(t *testing.T) {
	f := newFixture(t, "*.log")
	head := strings.Repeat("#Software: the same in all files\n", 128)
	names := []string{"a", "b", "c", "d"}
	for _, n := range names {
		f.write(n+".log", head+n+"\n")
	}
	f.up()
	for _, n := range names {
		f.wants(n, head+n+"\n")
	}
	f.down()
	f.rename("a.log", "a.log.1")
	f.write("a.log", head+"new\n")
	f.up()
	f.wants("a", head+"a\n"+head+"new\n")
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

func TestInodeReuse(t *testing.T) {
	for _, name := range []string{"running", "stopped"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "*.log")
			f.cfg.Grace = 5 * time.Millisecond
			f.cfg.ForgetAfter = 20 * time.Millisecond
			want := map[string]string{}
			reused := 0
			seen := map[inode]bool{}
			f.up()
			for i := range 30 {
				file := string(rune('a' + i%3))
				text := lines(file, 0, 1+(i*7)%5)
				want[file] += text
				if name == "stopped" {
					f.down()
				}
				f.write(file+".log", text)
				st, err := statPath(f.path(file + ".log"))
				f.check(err)
				if seen[st.inode] {
					reused++
				}
				seen[st.inode] = true
				if name == "stopped" {
					f.up()
				}
				f.wants(file, want[file])
				if name == "stopped" {
					f.down()
				}
				f.remove(file + ".log")
				if name == "stopped" {
					f.up()
				}
				f.eventually(func() bool { return f.source.Stats().Open == 0 })
			}
			t.Logf("%d inodes were reused", reused)
		})
	}
}

// Without times of birth, content alone tells a reused inode.
func TestInodeReuseWithoutBirth(t *testing.T) {
	f := newFixture(t, "*.log")
	f.cfg.stat = func(path string) (fileStat, error) {
		st, err := statPath(path)
		st.born = 0
		return st, err
	}
	f.write("a.log", lines("a", 0, 10))
	f.up()
	f.wants("a", lines("a", 0, 10))
	f.down()
	// Deleted, and b.log got its inode: the same as a rename with other content.
	f.rename("a.log", "b.log")
	f.check(os.WriteFile(f.path("b.log"), []byte(lines("b", 0, 20)), 0o644))
	f.up()
	f.wants("b", lines("b", 0, 20))
	if got := f.spool.log("a"); got != lines("a", 0, 10) {
		t.Errorf("log a is %q", got)
	}
}

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

func TestSymlinks(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		f.check(os.Mkdir(f.path("real"), 0o755))
		f.write("real/0.log", "zero\n")
		f.write("real/1.log", "one\n")
		f.check(os.Symlink("real/0.log", f.path("current")))
		f.up()
		f.wants("current", "zero\n")
		point := func(target string) {
			f.check(os.Symlink(target, f.path("swap")))
			f.rename("swap", "current")
		}
		point("real/1.log")
		f.wants("current", "zero\none\n")
		f.write("real/0.log", "zero 2\n")
		f.wants("current", "zero\none\nzero 2\n")
		point("real/0.log")
		f.scans(2)
		f.write("real/0.log", "zero 3\n")
		f.wants("current", "zero\none\nzero 2\nzero 3\n")
		f.write("real/1.log", "one 2\n")
		f.wants("current", "zero\none\nzero 2\nzero 3\none 2\n")
	}, "current")
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

func TestNewFilesOfOneLogInWrittenOrder(t *testing.T) {
	f := newFixture(t, "*.log*")
	f.cfg.Sections[0].Log = "all"
	base := time.Now().Add(-time.Hour)
	want := ""
	for i, name := range []string{"z.log", "m.log", "a.log", "k.log"} {
		text := lines(name, 0, 1000)
		want += text
		f.write(name, text)
		at := base.Add(time.Duration(i) * time.Minute)
		f.check(os.Chtimes(f.path(name), at, at))
	}
	f.cfg.chunk = 2000
	f.cfg.MaxLine = 100
	f.up()
	f.wants("all", want)
}
