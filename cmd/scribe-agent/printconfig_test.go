package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/agent"
)

// planOf returns what an agent with these arguments goes by, and what print-config prints of them.
func planOf(t *testing.T, args ...string) (agent.Config, string) {
	t.Helper()
	code, stdout, stderr := call(t, "", "", append([]string{"print-config"}, args...)...)
	if code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	c := &config{host: host(args...)}
	if _, err := c.program().Parse(c.host); err != nil {
		t.Fatal(err)
	}
	return c.plan(), stdout
}

// TestPrintConfigReadsBack: as a file, what is printed leads to the same agent.
func TestPrintConfigReadsBack(t *testing.T) {
	example, err := os.ReadFile("../../packaging/examples/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	writeFile(t, "agent.toml", string(example)+`
close_deleted_after = "5m"
[file.lines]
multiline = { start = '^\d"', max_lines = 3 }
redact = [{ pattern = '(a)\\', with = "$1\t" }]
[[file]]
paths = ["a,b", "c"]
log = "x"
start = "end"
`)
	for _, args := range [][]string{
		{"-config", "agent.toml", "-drain-timeout", "2h", "-max-size", "1GiB", "-cut-mark", "# …"},
		{"-log", "web/access", "-mediator", "a:1,b:2"},
	} {
		plan, printed := planOf(t, args...)
		writeFile(t, "printed.toml", printed)
		again, _ := planOf(t, "-config", "printed.toml")
		if diff := cmp.Diff(plan, again); diff != "" {
			t.Errorf("%q: %s\n%s", args, diff, printed)
		}
	}
	if _, printed := planOf(t, "-log", "web/access", "-local", "d"); !strings.Contains(printed, "# -local d stands in no file (flag -local)") {
		t.Errorf("nothing is said of -local:\n%s", printed)
	}
}

func TestValidateFindsUnusableFolders(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "file", "")
	for _, args := range [][]string{
		{"validate", "-log", "a", "-mediator", "a:1", "-spool", "file/s.db"},
		{"validate", "-log", "a", "-local", "file"},
		{"validate", "-log", "a", "-mediator", "a:1", "-spool", "."},
	} {
		code, _, stderr := call(t, "", "", args...)
		if code != 1 || !strings.HasPrefix(stderr, "scribe-agent: the settings are right, but the agent could not work: ") {
			t.Errorf("%q: code %d: %s", args, code, stderr)
		}
	}
}
