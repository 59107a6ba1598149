package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text := `path = "logs"
keep_age = "48h"
min_free = "1GB"
host = "127.0.0.1"
mediator = ["m:8000"]
[[log]]
match = "web/*"
size = "10MB"
rotate_every = "24h"
compress = "zstd"
[[log]]
match = "**"
store = "zstd"
size = "-1B"
keep_age = -1
`
	if err := os.WriteFile("scribe.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := `path       DIR/logs, would be made
files      plain, rotated at 1MB, kept for 48h0m0s
  web/*: plain, rotated at 10MB and every 24h0m0s, compressed with zstd after 1m0s, kept for 48h0m0s
  **: zstd frames, never rotated
free       at least 1GB of each volume, or the oldest rotated files are deleted
listen     port 8080 of 127.0.0.1, in the clear
mediators  m:8000

all right
`
	code, stdout, stderr := call("validate", "-config", "scribe.toml")
	if code != 0 || stderr != "" || strings.ReplaceAll(stdout, dir, "DIR") != want {
		t.Errorf("code %d, stderr %s\n%s", code, stderr, stdout)
	}
	if _, err := os.Stat("logs"); err == nil {
		t.Error("the folder was made")
	}
}

func TestValidateFindsUnusableFolders(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join("root", ".scribe", "ledger.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"file": "is no folder", "root": "root/.scribe/ledger.db is no ordinary file",
	} {
		code, _, stderr := call("validate", "-path", path)
		if code != 1 || !strings.HasPrefix(stderr, "scribe: the settings are right, but the Scribe could not work: ") || !strings.Contains(stderr, want) {
			t.Errorf("%s: code %d: %s", path, code, stderr)
		}
	}
}

// TestUnknownKeys: each is answered with its line and the nearest name, in tables too.
func TestUnknownKeys(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"keep_aeg = 1":                             `scribe.toml:1: unknown key "keep_aeg"; did you mean "keep_age"?`,
		"[tls]\none-way = true":                    `scribe.toml:2: unknown key "one-way" in [tls]; did you mean "one_way"?`,
		"[[log]]\nmatch = \"a\"\n\nsise = \"1MB\"": `scribe.toml:4: unknown key "sise" in [[log]]; did you mean "size"?`,
		"[[logs]]\nmatch = \"a\"":                  `scribe.toml:1: unknown table [logs]; did you mean [[log]]?`,
		"[tsl]\nca = \"a\"":                        `scribe.toml:1: unknown table [tsl]; did you mean [tls]?`,
	} {
		if err := os.WriteFile("scribe.toml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"validate", "print-config"} {
			if code, stdout, stderr := call(command, "-config", "scribe.toml"); code != 2 || stdout != "" || stderr != "scribe: "+want+"\n" {
				t.Errorf("code %d\n got %s\nwant %s", code, stderr, want)
			}
		}
	}
}
