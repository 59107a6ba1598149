package logname_test

import (
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/logname"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", logname.MaxElement)
	for _, name := range []string{"a", "web/access", "a b", "ä/ö", "...", ".hidden", "a/.scribe", "x.log", long + "/" + long, "web-7/nginx/access_20260304"} {
		if err := logname.Check(name); err != nil {
			t.Errorf("%v", err)
		}
	}
	for name, why := range map[string]string{
		"": "empty", "/a": "absolute", "a//b": "empty element", "a/": "empty element", "..": `".."`, "a/../b": `".."`,
		"./a": `"."`, long + "x": "longer", strings.Repeat("x/", 501) + "x": "longer", "a\x00": "control", "a\nb": "control",
		"a\u0085": "control", "\xff": "UTF-8", ".scribe/a": "own folder", ".scribe": "own folder",
		"a_20260304T050607.000000Z": "rotated", "a_20260304T050607.000000Z.log/b": "rotated",
		"a_20260304T050607.000000Z.log.zst/b": "rotated",
	} {
		if err := logname.Check(name); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestRotatedNamesReadBack(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89000, time.FixedZone("", 3600))
	name := logname.Rotated("web/access", at)
	if name != "web/access_20260304T040607.000089Z.log" {
		t.Error(name)
	}
	if got, ok := logname.RotatedAt("web/access", name); !ok || !got.Equal(at) {
		t.Errorf("%v, %t", got, ok)
	}
	for _, other := range []string{"web/access.log", "web/access_x.log", "web/access_20260304T040607.000089Z.log.gz", "web/b_20260304T040607.000089Z.log", "web/access_20261304T040607.000089Z.log"} {
		if _, ok := logname.RotatedAt("web/access", other); ok {
			t.Errorf("%s is taken for a rotated file", other)
		}
	}
}

func TestRotatedNamesComeApart(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89000, time.UTC)
	for _, compressed := range []string{"", ".zst", ".gz"} {
		for _, log := range []string{"web/access", "a", "a.log"} {
			name, got, extension, ok := logname.SplitRotated(logname.Rotated(log, at) + compressed)
			if name != log || !got.Equal(at) || extension != compressed || !ok {
				t.Errorf("%q, %v, %q, %t", name, got, extension, ok)
			}
		}
	}
	for _, other := range []string{
		"", "web/access.log", "web/access.log.zst", "_20260304T040607.000089Z.log", "web/access_20260304T040607.000089Z.log.zst.tmp",
		"web/access_20260304T040607.000089Z.log.gz.zst", "web/access_20261304T040607.000089Z.log", "web/access_20260304T040607.000089Z.log.bz2",
	} {
		if name, _, _, ok := logname.SplitRotated(other); ok {
			t.Errorf("%s is taken for a rotated file of %q", other, name)
		}
	}
}

// FuzzCheck looks for names that pass and yet lead out of the root.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"a/b", "../a", "a\x00b", "/etc/passwd", "a/./b", ".scribe/ledger"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if logname.Check(name) != nil {
			return
		}
		for _, e := range strings.Split(logname.Active(name), "/") {
			if e == "" || e == "." || e == ".." || len(e) > 255 || strings.ContainsAny(e, "\x00\n\r") {
				t.Errorf("%q passed", name)
			}
		}
	})
}
