package tail

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// explain returns what is said of a file, in one line.
func (f *fixture) explain(checkpoints map[string][]byte, name string) string {
	f.t.Helper()
	all, err := Explain(f.cfg.Sections, "web-7", checkpoints, []string{f.path(name)})
	f.check(err)
	e := all[0]
	said := []string{"read into " + e.Log}
	if !e.Read() {
		said = append([]string{"not read"}, e.Reasons...)
	}
	if e.Offset >= 0 {
		said = append(said, fmt.Sprintf("%d of %d", e.Offset, e.Size))
	}
	for _, x := range e.Excluded {
		said = append(said, "excluded by "+x.Exclude)
	}
	return strings.ReplaceAll(strings.Join(append(said, e.Notes...), "; "), f.dir, "DIR")
}

func (f *fixture) stored() map[string][]byte {
	f.t.Helper()
	stored, err := f.spool.Checkpoints(keyPrefix)
	f.check(err)
	return stored
}

func TestExplain(t *testing.T) {
	f := newFixture(t, "*.log", "deep/**/app.log")
	f.cfg.Sections[0].Exclude = []string{"no*"}
	f.cfg.Sections = append(f.cfg.Sections, f.section("second/{name}", "?*.conf"), f.section("{dir}/{name}", ".scribe/*"), f.section("all", "*.gz"))
	f.cfg.Sections[1].FromEnd = true
	for _, dir := range []string{"deep", "deep/a", "other", ".scribe", "folder.log"} {
		f.check(os.Mkdir(f.path(dir), 0o755))
	}
	for _, name := range []string{"old.log.1", "old.log", "new.log", "cut.log", "x.conf", "nope.log", "deep/a/app.log", "other/app.log", ".scribe/x", "other.txt", "gone.log", "old.log.2.gz"} {
		f.write(name, "one\n")
	}
	f.check(os.Symlink(f.path("other"), f.path("deep/link")))
	f.check(os.Symlink(f.path("nowhere"), f.path("dangling.log")))
	f.check(syscall.Mkfifo(f.path("pipe.log"), 0o600))
	if got := f.explain(map[string][]byte{}, "x.conf"); got != "read into second/x.conf; 4 of 4; nothing was read with this spool yet: the file is read from its end" {
		t.Error(got)
	}
	f.up()
	f.wants("old", "one\n")
	f.wants("cut", "one\n")
	f.wants("new", "one\n")
	f.scans(2)
	f.rename("new.log", "new.log.1")
	f.write("new.log", "one\n")
	f.wants("new", "one\none\n")
	f.remove("gone.log")
	f.down()
	f.write("old.log", "two\n")
	f.check(os.Truncate(f.path("cut.log"), 0))
	f.write("cut.log", "1\n")
	f.write("late.log", "one\n")

	for name, want := range map[string]string{
		"old.log":           "read into old; 4 of 8",
		"late.log":          "read into late; 0 of 4",
		"cut.log":           "read into cut; 0 of 2; it was truncated or rewritten since it was last read, at 4 bytes: it is read from its beginning",
		"new.log.1":         "read into new; 4 of 4; it was at DIR/new.log before",
		"old.log.1":         "not read; it was rotated away from DIR/old.log before that was first looked at",
		"nope.log":          "not read; it is excluded; excluded by no*",
		"other.txt":         "not read; no glob matches it",
		"old.log.2.gz":      "not read; its name is that of a compressed copy: of such a file only what was not read before is taken, if anything",
		"gone.log":          "not read; there is no DIR/gone.log",
		"folder.log":        "not read; it is a folder, and only regular files are read",
		"pipe.log":          "not read; it is a named pipe, and only regular files are read",
		"dangling.log":      "not read; DIR/dangling.log is a link that leads nowhere",
		"deep/a/app.log":    "read into app; 4 of 4",
		"deep/link/app.log": "not read; the glob DIR/deep/**/app.log matches it, and does not find it: DIR/deep/link is a link, and ** follows none",
		"other.txt/x.log":   "not read; DIR/other.txt is no folder",
		".scribe/x":         `not read; bad log name ".scribe/x": .scribe is the Scribe's own folder`,
	} {
		if got := f.explain(f.stored(), name); got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"old.log":   "read into old",
		"old.log.1": "not read; no glob matches it; it bears a rotated name of DIR/old.log, which is covered: it is read if it was rotated while that was tailed",
	} {
		if got := f.explain(nil, name); got != want {
			t.Errorf("without a spool: %s\n got %s\nwant %s", name, got, want)
		}
	}
}

// TestExplainPermissions runs as nobody in a process of its own.
func TestExplainPermissions(t *testing.T) {
	const mark = "EXPLAIN_AS_NOBODY"
	if dir := os.Getenv(mark); dir != "" {
		f := newFixtureIn(t, dir, "*.log", "closed/*.log", "unlisted/*.log", "unlisted/literal.txt")
		for _, name := range []string{"mine.log", "closed/a.log", "unlisted/a.log", "unlisted/literal.txt"} {
			fmt.Println(f.explain(nil, name))
		}
		for _, glob := range []string{"closed/*.log", "closed/sub/*.log", "unlisted/*.log"} {
			fmt.Println(strings.ReplaceAll(blindness(f.path(glob)), f.dir, "DIR"))
		}
		for _, glob := range []string{"*/*.log", "**/literal.txt", "**/*.log", "unlisted/new/*.log", "closed/new/*.log", "new/*.log", "shut/*.log"} {
			warned, err := Warnings([]Section{{Paths: []string{f.path(glob)}, Log: "x"}}, "")
			f.check(err)
			for _, w := range warned {
				fmt.Println(strings.ReplaceAll(w.Glob+": "+w.Text, f.dir, "DIR"))
			}
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to have files that this user may not read")
	}
	f := newFixture(t)
	for dir := f.dir; dir != "/tmp" && dir != "/"; dir = dir[:strings.LastIndexByte(dir, '/')] {
		f.check(os.Chmod(dir, 0o755))
	}
	f.check(os.Mkdir(f.path("closed"), 0o755))
	f.check(os.Mkdir(f.path("unlisted"), 0o755))
	f.check(os.Mkdir(f.path("open"), 0o755))
	f.check(os.Mkdir(f.path("shut"), 0o755))
	for _, name := range []string{"open/a.log", "shut/a.log", "mine.log", "closed/a.log", "unlisted/a.log", "unlisted/literal.txt"} {
		f.write(name, "one\n")
	}
	f.check(os.Chmod(f.path("mine.log"), 0o600))
	f.check(os.Chmod(f.path("closed"), 0o700))
	f.check(os.Chmod(f.path("unlisted"), 0o711))
	f.check(os.Chmod(f.path("shut"), 0o744)) // it can be listed, and not entered
	program, err := os.ReadFile(os.Args[0])  // the test's own folder may be closed to nobody
	f.check(err)
	f.check(os.WriteFile(f.path("test"), program, 0o755))
	cmd := exec.Command(f.path("test"), "-test.run", "TestExplainPermissions")
	cmd.Env = append(os.Environ(), mark+"="+f.dir)
	cmd.Dir = f.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	want := "not read; DIR/mine.log (-rw-------, owner root) may not be read by this user\n" +
		"not read; the glob DIR/closed/*.log matches it, and does not find it: DIR/closed (drwx------, owner root) can't be listed by this user; " +
		"DIR/closed (drwx------, owner root) does not let this user through\n" +
		"not read; the glob DIR/unlisted/*.log matches it, and does not find it: DIR/unlisted (drwx--x--x, owner root) can't be listed by this user\n" +
		"read into literal\n" +
		"DIR/closed (drwx------, owner root) can't be listed by this user\n" +
		"DIR/closed (drwx------, owner root) does not let this user through\n" +
		"DIR/unlisted (drwx--x--x, owner root) can't be listed by this user\n" +
		"DIR/*/*.log: DIR/closed (drwx------, owner root) can't be listed by this user; nor can 2 other folders be looked into: what is in there is not seen\n" +
		"DIR/**/literal.txt: DIR/closed (drwx------, owner root) can't be listed by this user; nor can 2 other folders be looked into: what is in there is not seen\n" +
		"DIR/**/*.log: DIR/closed (drwx------, owner root) can't be listed by this user; nor can 2 other folders be looked into: what is in there is not seen\n" +
		"DIR/unlisted/new/*.log: there is no DIR/unlisted/new\n" +
		"DIR/closed/new/*.log: DIR/closed (drwx------, owner root) can't be listed by this user: what is in there is not seen\n" +
		"DIR/new/*.log: there is no DIR/new\n" +
		"DIR/shut/*.log: DIR/shut (drwxr--r--, owner root) does not let this user through: what is in there is not seen\n"
	if err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v\n got %s\nwant %s", err, out, want)
	}
}
