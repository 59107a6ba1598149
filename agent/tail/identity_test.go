package tail

import (
	"fmt"
	"os"

	"strings"
	"sync"
	"testing"
	"time"
)

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
			f := newFixture(t, "app.log").real()
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
	f := newFixture(t, "app.log").real()
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
	f := newFixture(t, "app.log").blind().real()
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
	f := newFixture(t, "app.log").real()
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
	f := newFixture(t, "*.log").real()
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
	f := newFixture(t, "app.log").real()
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
	f := newFixture(t, "*.log").real()
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

func TestInodeReuse(t *testing.T) {
	for _, name := range []string{"running", "stopped"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "*.log").real()
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

func TestInodeReuseWithoutBirth(t *testing.T) {
	f := newFixture(t, "*.log").real()
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

func TestNewFilesOfOneLogInWrittenOrder(t *testing.T) {
	f := newFixture(t, "*.log*").real()
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

// TestFileSeenUnderTwoNamesInOneLook renames the file each time that it was looked at under its path, so that each look at
// the folder sees it twice, and no two looks agree.
func TestFileSeenUnderTwoNamesInOneLook(t *testing.T) {
	f := newFixture(t, "app.log").real()
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.down()
	f.rename("app.log", "app.log.1")
	f.write("app.log", "two\n")
	name, turns := "app.log", 0
	var mu sync.Mutex // workers look, too
	f.cfg.stat = func(path string) (fileStat, error) {
		mu.Lock()
		defer mu.Unlock()
		if path != f.path("app.log") || turns > 30 {
			return statPath(path)
		}
		turns++
		if name != "app.log" {
			f.rename(name, "app.log")
		}
		st, err := statPath(path)
		name = fmt.Sprintf("app.log.%d", turns+1)
		f.rename("app.log", name)
		return st, err
	}
	f.up()
	f.wants("app", "one\ntwo\n")
	f.scans(3)
	f.wants("app", "one\ntwo\n")
}
