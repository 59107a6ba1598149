package main

import (
	"os"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/spool"
)

func TestExplain(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one.log", "two.log", "two.log.gz", "other"} {
		writeFile(t, name, "line\n")
	}
	toml := `mediators = ["a:1"]
[spool]
path = "s.db"
[[file]]
paths = ["*.log*"]
exclude = ["*.gz"]
log = "x/{stem}"
[[file]]
paths = ["*.log"]
log = "y"
`
	code, stdout, stderr := call(t, "", toml, "explain", "one.log", "two.log.gz", "other")
	want := `DIR/one.log
  read       by agent.toml:4, DIR/*.log*
  log        x/one
  offset     0 of 5 bytes, 5 unread
DIR/two.log.gz
  not read   it is excluded
  left out   by agent.toml:4: DIR/*.log* matches it, and exclude = *.gz
DIR/other
  not read   no glob matches it
`
	if got := strings.ReplaceAll(stdout, dir, "DIR"); code != 1 || got != want || stderr != "scribe-agent: 2 of 3 files are not read\n" {
		t.Errorf("code %d, stderr %s\n got %s\nwant %s", code, stderr, got, want)
	}
	if _, err := os.Stat("s.db"); err == nil {
		t.Error("the spool was made")
	}
	if code, _, stderr := call(t, "", toml, "explain", "one.log"); code != 0 || stderr != "" {
		t.Errorf("code %d, stderr %s", code, stderr)
	}
	if code, _, stderr := call(t, "", toml, "explain"); code != 2 || stderr != "scribe-agent: explain needs an argument: explain FILE… (see scribe-agent -h)\n" {
		t.Errorf("code %d, stderr %s", code, stderr)
	}
}

func TestExplainWhileAnAgentRuns(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "one.log", "line\n")
	s, err := spool.Open("s.db", spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	toml := sender + "[spool]\npath = \"s.db\"\n[[file]]\npaths = [\"*.log\"]\nlog = \"x\"\n"
	code, stdout, _ := call(t, "", toml, "explain", "one.log")
	if want := "  offset     0 of 5 bytes, 5 unread\n"; code != 0 || !strings.HasSuffix(stdout, want) {
		t.Errorf("code %d: %s", code, stdout)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "s.db", "this is no spool")
	code, stdout, _ = call(t, "", toml, "explain", "one.log")
	if want := "  offset     not known of 5 bytes: read spool s.db: "; code != 0 || !strings.Contains(stdout, want) {
		t.Errorf("code %d: %s", code, stdout)
	}
}
