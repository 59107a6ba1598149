package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/scribe/store"
)

// TestLogTables has a flag, the file and defaults come together.
func TestLogTables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scribe.toml")
	text := `
keep_files = 7
keep_age = "48h"
[[log]]
match = "web/*"
size = "10MB"
keep_files = -1
rotate_every = "24h"
store = "zstd"
compress = "zstd"
[[log]]
match = "**"
keep_bytes = 5000
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &config{}
	host := cli.Host{Args: []string{"-config", file, "-keep-age", "72h", "-compress-after", "5m"}, LookupEnv: func(string) (string, bool) { return "", false }}
	if _, err := c.program().Parse(host); err != nil {
		t.Fatal(err)
	}
	base := store.Policy{Form: store.Plain, MaxSize: 1e6, RotateEvery: -1, KeepAge: 72 * time.Hour, KeepFiles: 7, KeepBytes: -1, Compression: "none", CompressAfter: 5 * time.Minute}
	if diff := cmp.Diff(base, c.files.policy); diff != "" {
		t.Error(diff)
	}
	web, all := base, base
	web.MaxSize, web.KeepFiles, web.RotateEvery, web.Compression = 1e7, -1, 24*time.Hour, store.Zstd
	web.Form = store.Frames
	all.KeepBytes = 5000
	if diff := cmp.Diff([]store.Rule{{Match: "web/*", Policy: web}, {Match: "**", Policy: all}}, c.rules()); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesAboutFiles(t *testing.T) {
	for _, tc := range []struct {
		args []string
		toml string
		want string
	}{
		{[]string{"-rotate-every", "7h"}, "", "-rotate-every: bad period 7h0m0s: a day must be a multiple of it"},
		{[]string{"-rotate-every", "1d"}, "", `-rotate-every: bad time "1d": write 500ms, 5s, 1m30s or 2h`},
		{[]string{"-keep-files", "0"}, "", `-keep-files: bad number "0": use a whole number above zero, or -1 for no limit`},
		{[]string{"-store", "gzip"}, "", `-store: bad value "gzip": use plain or zstd`},
		{[]string{"-compress", "xz"}, "", `-compress: bad value "xz": use none, zstd or gzip`},
		{[]string{"-file-mode", "0440"}, "", `-file-mode: bad mode "0440": the Scribe itself needs 0600`},
		{[]string{"-dir-mode", "rwx"}, "", `-dir-mode: bad mode "rwx": write permissions, three octal digits or a zero and three, such as 0640`},
		{[]string{"-owner", "no-such-user"}, "", `owner: this host knows no "no-such-user"`},
		{nil, "[[log]]\nsize = \"1MB\"", "scribe.toml:1: this [[log]] has no match"},
		{nil, "[[log]]\nmatch = \"web/[\"", `scribe.toml:2: match: bad pattern "web/["`},
		{nil, "[[log]]\nmatch = \"a\"\nkeep_file = 1", `unknown key "keep_file" in [[log]]; did you mean "keep_files"?`},
		{nil, "[[log]]\nmatch = \"a\"\nmin_free = 1", `unknown key "min_free" in [[log]]; it belongs above the first [table]`},
	} {
		args := tc.args
		if tc.toml != "" {
			file := filepath.Join(t.TempDir(), "scribe.toml")
			if err := os.WriteFile(file, []byte(tc.toml), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "-config", file)
		}
		if code, _, stderr := call(args...); code != 2 || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q: code %d\n got %s\nwant %s", tc.args, code, stderr, tc.want)
		}
	}
}
