package tail

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTemplate(t *testing.T) {
	for _, c := range []struct{ text, path, want, err string }{
		{text: "{host}/nginx/{stem}", path: "/var/log/nginx/access.log", want: "web-7/nginx/access"},
		{text: "{dir}/{name}", path: "/srv/shop/app.log", want: "shop/app.log"},
		{text: "web/access", path: "/x/y", want: "web/access"},
		{text: "{stem}", path: "/x/.profile", want: ".profile"},
		{text: "{stem}", path: "/x/app.log.1", want: "app.log"},
		{text: "{stem}", path: "/x/plain", want: "plain"},
		{text: "{dir}", path: "/plain", err: "bad log name"},
		{text: "{stam}", err: "unknown placeholder {stam}"},
		{text: "{stem", err: "a { without a }"},
		{text: "stem}", err: "a } without a {"},
		{text: "", err: "empty"},
		{text: "/abs", err: "absolute"},
		{text: "a//b", err: "empty element"},
		{text: "../{stem}", err: `".."`},
	} {
		tmpl, err := parseTemplate(c.text, "web-7")
		got := ""
		if err == nil {
			got, err = tmpl.render(c.path)
		}
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q of %q: %q, %v; want %q", c.text, c.path, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q of %q: error %v, want one with %q", c.text, c.path, err, c.err)
		}
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	good := func() Config {
		return Config{Spool: newSpool(), Sections: []Section{{Paths: []string{"/x/*.log"}, Log: "a"}}}
	}
	for want, spoil := range map[string]func(*Config){
		`bad glob "/x/[a"`:         func(c *Config) { c.Sections[0].Paths = []string{"/x/[a"} },
		`bad glob "{a"`:            func(c *Config) { c.Sections[0].Exclude = []string{"{a"} },
		`names a folder`:           func(c *Config) { c.Sections[0].Paths = []string{"/x/"} },
		"no paths":                 func(c *Config) { c.Sections[0].Paths = nil },
		"{no}":                     func(c *Config) { c.Sections[0].Log = "{no}" },
		"unknown codec 9":          func(c *Config) { c.Sections[0].Codec = 9 },
		"max line: bad size -1B":   func(c *Config) { c.MaxLine = -1 },
		"poll interval -1s":        func(c *Config) { c.PollInterval = -time.Second },
		"no spool":                 func(c *Config) { c.Spool = nil },
		"has version 9":            func(c *Config) { c.Spool.(*fakeSpool).checkpoints["file/1-1"] = []byte{9} },
		"file section 1: bad glob": func(c *Config) { c.Sections[0].Paths = []string{""} },
	} {
		c := good()
		spoil(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := New(good()); err != nil {
		t.Errorf("good config: %v", err)
	}
}

func TestDamagedCheckpointIsIgnored(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	f.spool.checkpoints["file/1-1"] = []byte{1, 2, 3}
	f.up()
	f.wants("app", "one\n")
	if n := f.source.Stats().BadCheckpoints; n != 1 {
		t.Errorf("%d are counted, want 1", n)
	}
}

func TestRotationNames(t *testing.T) {
	for _, c := range []struct {
		base, name, suffix string
	}{
		{"app.log", "app.log.1", ".1"},
		{"app.log", "app.log.12", ".12"},
		{"app.log", "app.log-20260101", "-20260101"},
		{"app.log", "app.log.2026-01-01T10:00:00Z", ".2026-01-01T10:00:00Z"},
		{"app.log", "app-20260101.log", "-20260101"},
		{"app.log", "app.2026-01-01.log", ".2026-01-01"},
		{"app.log", "app_1.log", "_1"},
		{"0.log", "0.log.20260101-101010", ".20260101-101010"},
		{"app", "app.1", ".1"},
		{"app.log", "app.log", ""},
		{"app.log", "app.log.1.gz", ""},
		{"app.log", "app.log.zst", ""},
		{"app.log", "app.log.old", ""},
		{"app.log", "app.log.", ""},
		{"app.log", "app.log1", ""},
		{"app.log", "apple-1.log", ""},
		{"app.log", "app-error.log", ""},
		{"app.log", "other.log.1", ""},
	} {
		suffix, ok := rotationSuffix(c.base, c.name)
		if suffix != c.suffix || ok != (c.suffix != "") {
			t.Errorf("%s of %s: %q, %v; want %q", c.name, c.base, suffix, ok, c.suffix)
		}
		if has := slices.Contains(rotationBases(c.name), c.base); has != ok {
			t.Errorf("bases of %s are %v; has %s: %v, want %v", c.name, rotationBases(c.name), c.base, has, ok)
		}
	}
}

func TestRotationOrder(t *testing.T) {
	ordered := [][]string{
		{"app.log.10", "app.log.9", "app.log.2", "app.log.1", "app.log"},
		{"app-20251231.log", "app-20260101.log", "app.log"},
		{"app.log.2026-01-01", "app.log-2026-01-02", "app.log"},
	}
	for _, names := range ordered {
		shuffled := slices.Clone(names)
		slices.Sort(shuffled)
		slices.SortStableFunc(shuffled, compareNames)
		if diff := cmp.Diff(names, shuffled); diff != "" {
			t.Error(diff)
		}
	}
}

// TestRotationOrderWithinOneTick sorts files of which the times tell nothing but when some of them were compressed.
func TestRotationOrderWithinOneTick(t *testing.T) {
	const tick = 1e9
	plain := func(suffix string) sibling {
		return sibling{path: "app.log" + suffix, suffix: suffix, stat: fileStat{identity: identity{born: tick}, mtime: tick}}
	}
	compressed := func(suffix string, at int64) sibling {
		return sibling{path: "app.log" + suffix + ".gz", suffix: suffix, stat: fileStat{identity: identity{born: at}, mtime: tick}}
	}
	for _, ordered := range [][]sibling{
		{compressed(".11", 7*tick), compressed(".10", 6*tick), plain(".9"), plain(".2"), compressed(".1", 5*tick)},
		{compressed("-20260101T000000.001", 2*tick), plain("-20260101T000000.002"), plain("-20260101T000000.003")},
	} {
		shuffled := slices.Clone(ordered)
		slices.Reverse(shuffled)
		slices.SortStableFunc(shuffled, oldestFirst)
		for i := range ordered {
			if shuffled[i].path != ordered[i].path {
				t.Errorf("place %d has %s, want %s", i, shuffled[i].path, ordered[i].path)
			}
		}
	}
}

func TestCheckpointGolden(t *testing.T) {
	c := checkpoint{
		id: identity{inode: inode{dev: 0x0801, ino: 0x123456}, born: 0x17f0000000000001}, position: 4096,
		mtime: 0x17f0000000000002, checked: 0x17f0000000000003, ordinal: 7,
		head: probeOf([]byte("head")), tail: probeOf([]byte("the tail")), grown: 8192, path: "/var/log/app.log", log: "web/app",
	}
	golden := "02" + "0000000000000801" + "0000000000123456" + "17f0000000000001" + "0000000000001000" +
		"17f0000000000002" + "17f0000000000003" + "0000000000000007" +
		"0004" + "9f2e6d33a3717ee826353a404ba4618d" + "0008" + "5d2d98b61d33e2eb54726021b35fc58e" +
		"0000000000002000" + "0010" + hex.EncodeToString([]byte("/var/log/app.logweb/app"))
	if got := hex.EncodeToString(c.encode()); got != golden {
		t.Errorf("the stored format has changed:\n got %s\nwant %s", got, golden)
	}
	key := checkpointKey(c.id.inode)
	if key != "file/801-123456" {
		t.Errorf("key %q", key)
	}
	back, err := decodeCheckpoint(key, c.encode())
	if diff := cmp.Diff(c, back, cmp.AllowUnexported(checkpoint{}, identity{}, inode{}, probe{})); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	first := "01" + golden[2:93*2] + golden[101*2:]
	c.grown = 0
	value, err := hex.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	back, err = decodeCheckpoint(key, value)
	if diff := cmp.Diff(c, back, cmp.AllowUnexported(checkpoint{}, identity{}, inode{}, probe{})); err != nil || diff != "" {
		t.Errorf("version 1: %v\n%s", err, diff)
	}
}

func TestDamagedCheckpoints(t *testing.T) {
	good := (&checkpoint{id: identity{inode: inode{1, 2}}, position: 10, path: "/a", log: "a"}).encode()
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		value []byte
		want  error
	}{
		"empty":             {nil, errCheckpoint},
		"short":             {good[:90], errCheckpoint},
		"short path":        {good[:104], errCheckpoint},
		"later version":     {change(0, 3), errCheckpointVersion},
		"negative size":     {change(93, 0x80), errCheckpoint},
		"other file":        {change(16, 9), errCheckpoint},
		"negative position": {change(25, 0x80), errCheckpoint},
		"long head":         {change(57, 0xff), errCheckpoint},
	} {
		if _, err := decodeCheckpoint("file/1-2", c.value); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}

func TestMatches(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a/app.log", "a/b/app.log", "a/b/app.log.gz", "web/access.log", "web/error.log", "web/\xff.log"} {
		f.check(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
		f.write(name, "x\n")
	}
	f.check(os.Symlink(f.path("a"), f.path("link")))
	t.Chdir(f.dir)
	sections := []Section{
		{Paths: []string{"**/app.log*"}, Exclude: []string{"*.gz"}, Log: "{dir}/{stem}"},
		{Paths: []string{"{web/{access,error},a/app}.log", "web/?.log"}, Exclude: []string{f.path("web/error.*")}, Log: "all"},
		{Paths: []string{"web/\\*.log", "link/*.log"}, Log: "none"},
	}
	matches, err := Matches(sections, "host")
	f.check(err)
	want := []Match{
		{Section: 0, Path: f.path("a/app.log"), Log: "a/app"},
		{Section: 0, Path: f.path("a/b/app.log"), Log: "b/app"},
		{Section: 1, Path: f.path("web/access.log"), Log: "all"},
		{Section: 1, Path: f.path("web/\xff.log"), Log: "all"},
		{Section: 2, Path: f.path("link/app.log"), Log: "none", SameAs: f.path("a/app.log")},
	}
	if diff := cmp.Diff(want, matches); diff != "" {
		t.Error(diff)
	}
	if _, err := Matches([]Section{{Paths: []string{"["}, Log: "a"}}, "host"); err == nil {
		t.Error("a bad glob is no error")
	}
}

// The walk must find what the globs match, no more and no less.
func TestWalkAgreesWithMatches(t *testing.T) {
	f := newFixture(t)
	names := []string{"a.log", "b.txt", "d/a.log", "d/e/a.log", "d/e/f/b.log", "x{y/a.log", "d/a.log.1"}
	for _, name := range names {
		f.check(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
		f.write(name, "x\n")
	}
	for _, glob := range []string{
		"*.log", "**/*.log", "**", "d/**", "**/e/**", "**/**/a.log", "d/*/a.log", "{a,b}.*", "{d/e,d}/a.log", "{d/{e,q},.}/a.log",
		"d/**/[ab].log", "d/a.log*", "nowhere/*.log", "*/*", "x\\{y/*.log", "[!d]*/*", "d/{a.log,e/f/b.log}",
	} {
		s, err := parseSection(Section{Paths: []string{f.path(glob)}, Log: "a"}, "")
		f.check(err)
		var want []string
		for _, name := range names {
			if s.matches(f.path(name)) {
				want = append(want, name)
			}
		}
		var got []string
		for _, m := range newWalk([]*section{s}, statPath).run().matches {
			got = append(got, strings.TrimPrefix(m.path, f.dir+"/"))
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", glob, diff)
		}
	}
}

func TestExpandedBraces(t *testing.T) {
	for pattern, want := range map[string][]string{
		"/a/{b,c}.log":       {"/a/{b,c}.log"},
		"/a/{b/c,d}/e":       {"/a/b/c/e", "/a/d/e"},
		"/{a/{x,y},b}/{c/,}": {"/a/{x,y}/c/", "/a/{x,y}/", "/b/c/", "/b/"},
		"/a/\\{b/c,d}":       {"/a/\\{b/c,d}"},
	} {
		if diff := cmp.Diff(want, splitBraces(pattern)); diff != "" {
			t.Errorf("%s: %s", pattern, diff)
		}
	}
}

func TestLastLineEnd(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, c := range []struct {
		text string
		want int64
	}{
		{"", 0}, {"a", 0}, {"a\n", 2}, {"a\nb", 2}, {"\n\n", 2}, {"a\n" + long, 2}, {long + "\n" + long, 10_001}, {long + long, 0},
	} {
		if got := lastLineEnd(strings.NewReader(c.text), int64(len(c.text)), 1<<20); got != c.want {
			t.Errorf("%.20q: %d, want %d", c.text, got, c.want)
		}
	}
	if got := lastLineEnd(strings.NewReader("a\n"+long), 10_002, 5000); got != 10_002 {
		t.Errorf("beyond the limit: %d, want the end", got)
	}
}

// A device may have another number after the host has started anew.
func TestRenumberedDevice(t *testing.T) {
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	f.write("old.log", "x\n")
	f.up()
	f.wants("app", "one\n")
	f.wants("old", "x\n")
	f.down()
	f.rename("old.log", "old.log.1")
	f.write("old.log.1", "y\n")
	f.write("old.log", "z\n")
	f.write("app.log", "two\n")
	renumber := func(st fileStat, err error) (fileStat, error) { st.dev += 7; return st, err }
	f.cfg.stat = func(path string) (fileStat, error) { return renumber(statPath(path)) }
	f.cfg.fstat = func(file *os.File) (fileStat, error) { return renumber(statFile(file)) }
	f.up()
	f.wants("app", "one\ntwo\n")
	f.wants("old", "x\ny\nz\n")
	if n := len(f.checkpoints()); n != 3 {
		t.Errorf("%d checkpoints, want 3", n)
	}
}

func TestRunEndsWithContext(t *testing.T) {
	f := newFixture(t, "*.log")
	s, err := New(f.cfg)
	f.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}

// TestUnionOfLooks: a file that one look has missed, as it was renamed meanwhile, counts, unless it was compressed. That another
// compressed file has its old name by now says nothing.
func TestUnionOfLooks(t *testing.T) {
	at := func(path string, ino uint64, mtime int64) sibling {
		return sibling{path: path, stat: fileStat{identity: identity{inode: inode{ino: ino}}, mtime: mtime}}
	}
	earlier := []sibling{at("app.log.1", 1, 2_000_000_123), at("app.log.2", 2, 1_000_000_456), at("app.log.0.gz", 3, 3_000_000_001)}
	for name, test := range map[string]struct {
		now  []sibling
		want []uint64
	}{
		"missed, and the name is another's": {[]sibling{at("app.log.1.gz", 3, 3_000_000_001)}, []uint64{3, 1, 2}},
		"compressed":                        {[]sibling{at("app.log.1.gz", 4, 2_000_000_123)}, []uint64{4, 2, 3}},
		"compressed with a coarse time":     {[]sibling{at("app.log.2.gz", 4, 1_000_000_000)}, []uint64{4, 1, 3}},
	} {
		var got []uint64
		for _, sib := range union(test.now, earlier) {
			got = append(got, sib.stat.ino)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
