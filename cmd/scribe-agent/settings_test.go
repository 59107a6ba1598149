package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/agent"
	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/cli/clitest"
)

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { text, ok := env[name]; return text, ok }
}

var home = map[string]string{"HOME": "/home/x", "SCRIBE_AGENT_OPS": "off"} // the default address is one, and tests are many

func host(args ...string) cli.Host {
	return cli.Host{Args: args, LookupEnv: lookup(home), Stdin: strings.NewReader("")}
}

func program() *cli.Program { c := &config{host: host()}; return c.program() }

func TestExample(t *testing.T) { clitest.Example(t, "../../packaging/examples/agent.toml", program) }

func TestUnit(t *testing.T) {
	for _, unit := range []string{"scribe-agent.service", "scribe-agent@.service"} {
		clitest.Unit(t, "../../packaging/systemd/"+unit, "../../packaging/examples", "scribe-agent", program)
	}
}

// call runs the program in the working directory, with toml, if it isn't empty, as agent.toml there.
func call(t *testing.T, stdin, toml string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if toml != "" {
		writeFile(t, "agent.toml", toml)
		args = append([]string{"-config", "agent.toml"}, args...)
	}
	var out, errs bytes.Buffer
	h := host(args...)
	h.Stdin, h.Stdout, h.Stderr = strings.NewReader(stdin), &out, &errs
	code = run(h)
	return code, out.String(), errs.String()
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	sender = "mediators = [\"a:1\"]\n"
	table  = "[[file]]\npaths = [\"/x/*.log\"]\nlog = \"x\"\n"
)

func TestMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tc := range []struct {
		toml string
		args string
		want string
	}{
		{"", "", "scribe-agent: nothing to read: give -log PATH/NAME to read standard input, or -config FILE with [[file]] tables to tail files\n"},
		{"", "-log a", "scribe-agent: nowhere to send to: give -mediator HOST:PORT, or -local DIR to write files without a server\n"},
		{"", "-log a -mediator a:1 -local d", "scribe-agent: -local and -mediator don't go together: choose one destination\n"},
		{sender, "-log a -local d", "scribe-agent: -local and agent.toml:1: mediators don't go together: choose one destination\n"},
		{sender + table, "-log a", "scribe-agent: -log and [[file]] (agent.toml:2) don't go together: -log names the log of standard input\n"},
		{sender + table, "-tee", "scribe-agent: -tee copies standard input, and nothing reads it: give -log too\n"},
		{sender + "[[stdin]]\nlog = \"a\"\n[[stdin]]\nlog = \"b\"", "", "scribe-agent: agent.toml:4: a second [[stdin]] table: there is one standard input\n"},
		{"", "-log a -mediator a:1 -size 1MB", "scribe-agent: -size goes with -local only: a Scribe has its own, and the spool has -max-size\n"},
		{"", "-log a -local d -ca x", "scribe-agent: -local makes no connections: leave out -ca, -crt and -pk\n"},
		{"", "-log a -mediator a:1 -ca x", "scribe-agent: tls: ca: open x: no such file or directory\n"},
		{"", "-log /a -mediator a:1", "scribe-agent: -log: bad log name \"/a\": it is an absolute path; names are relative to the Scribe's root\n"},
		{"", "-log= -mediator a:1", "scribe-agent: -log: must not be empty\n"},
		{"", "-log a -mediator a:1 validat", "scribe-agent: unexpected argument \"validat\"; did you mean validate? (see scribe-agent -h)\n"},
		{sender + "[spool]\n\nmax_sise = \"1GB\"\n" + table, "", "scribe-agent: agent.toml:4: unknown key \"max_sise\" in [spool]; did you mean \"max_size\"?\n"},
		{sender + "[spool]\ncompression = \"gzip\"\n" + table, "", "scribe-agent: agent.toml:3: spool.compression: bad value \"gzip\": use s2, zstd or none\n"},
		{sender + "[spool]\nmax_size = \"64KB\"\n" + table, "", "scribe-agent: agent.toml:3: spool.max_size: 64KB is too small for a spool: the smallest size is 1MB\n"},
		{sender + table + "[[file]]\npaths = [\"/x/[\"]\nlog = \"a\"", "", "scribe-agent: agent.toml:6: paths: bad glob \"/x/[\"\n"},
		{sender + table + "exclude = [\"[\"]\n", "", "scribe-agent: agent.toml:5: exclude: bad glob \"[\"\n"},
		{sender + "[[file]]\npaths = [\"/x/\"]\nlog = \"a\"", "", "scribe-agent: agent.toml:3: paths: bad glob \"/x/\": it names a folder; to tail all files in it, add *\n"},
		{sender + "[[file]]\npaths = [\"/x\"]\nlog = \"{hots}\"", "", "scribe-agent: agent.toml:4: log: log template \"{hots}\": unknown placeholder {hots}: use {host}, {stem}, {name} or {dir}\n"},
		{"", "-log a -mediator a:1 -max-line 4MiB", "scribe-agent: -max-line: bad size 4MiB: use 1B to 3MiB; a block holds 4MiB, with all that is added to its lines\n"},
		{"max_line = -1\n" + sender + table, "", "scribe-agent: agent.toml:1: max_line: bad size -1B: use 1B to 3MiB; a block holds 4MiB, with all that is added to its lines\n"},
		{"cut_mark = \"a\\n\"\n" + sender + table, "", "scribe-agent: agent.toml:1: cut_mark: \"a\\n\" has a line break: it would make one line two\n"},
		{sender + table + "[file.lines]\n\ninclude = ['a', '(']", "", "scribe-agent: agent.toml:7: lines.include: bad regular expression \"(\": missing closing ): `(`\n"},
		{sender + table + "[file.lines]\nexclud = ['a']", "", "scribe-agent: agent.toml:6: unknown key \"exclud\" in [file.lines]; did you mean \"exclude\"?\n"},
		{sender + table + "[file.lines]\nmultiline = { start = '[' }", "", "scribe-agent: agent.toml:6: lines.multiline.start: bad regular expression \"[\": missing closing ]: `[`\n"},
		{sender + table + "[file.lines.multiline]\nstart = 'a'\ncontinue = 'b'", "", "scribe-agent: agent.toml:6: lines.multiline.start and agent.toml:7: lines.multiline.continue don't go together: choose one\n"},
		{sender + table + "[file.lines.multiline]\nmax_lines = 5", "", "scribe-agent: agent.toml:6: lines.multiline.max_lines has no meaning without lines.multiline.start or lines.multiline.continue\n"},
		{sender + table + "[file.lines]\nredact = [{ pattern = 'a+?+' }]", "", "scribe-agent: agent.toml:6: pattern: bad regular expression \"a+?+\": invalid nested repetition operator: `+?+`\n"},
		{sender + table + "[[file.lines.redact]]\npattern = 'a'\nwith = '$1'", "", "scribe-agent: agent.toml:5: redact: \"$1\" stands for a group that the pattern \"a\" doesn't have: $1 is the first one, ${1} if a letter, digit or _ follows, and $$ is a dollar\n"},
		{sender + table + "lines.prefix = '{hots}'", "", "scribe-agent: agent.toml:5: lines.prefix: \"{hots}\": unknown placeholder {hots}: use {time}, {host}, {log}, {file}, {name}, {stem} or {dir}\n"},
		{sender + "[[stdin]]\nlog = \"a\"\nlines.prefix = '{file}'", "", "scribe-agent: agent.toml:4: lines.prefix: \"{file}\": standard input has no {file}: use {host}, {log} or {time}\n"},
		{sender + "[[file]]\nlog = \"a\"", "", "scribe-agent: agent.toml:2: this [[file]] has no paths\n"},
	} {
		for _, command := range []string{"", "validate"} {
			args := append(strings.Fields(tc.args), strings.Fields(command)...)
			code, stdout, stderr := call(t, "", tc.toml, args...)
			if code != 2 || stderr != tc.want || stdout != "" {
				t.Errorf("%s %q: code %d\n got %s\nwant %s", tc.toml, args, code, stderr, tc.want)
			}
		}
	}
}

func TestPlan(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "agent.toml", `
name = "web-7"
mediators = ["127.0.0.1:8000", "b:8000"]
drain_timeout = "2m"
[spool]
path = "s.db"
max_size = "2GB"
when_full = "drop_oldest"
when_damaged = "repair"
compression = "zstd"
[[file]]
paths = ["/var/log/nginx/*.log", "/srv/**/app.log"]
exclude = ["*.gz"]
log = "{host}/nginx/{stem}"
start = "end"
[file.lines]
include = ['a', 'b']
exclude = ['c']
redact = [{ pattern = 'd' }, { pattern = '(e)', with = '$1' }]
multiline = { start = '^f', max_lines = 9, timeout = "7s" }
prefix = "{time} "
[[stdin]]
log = "web/access"
[stdin.lines]
multiline = { continue = '^\s', max_bytes = "1KiB" }
`)
	c := &config{host: host("-config", "agent.toml")}
	if _, err := c.program().Parse(c.host); err != nil {
		t.Fatal(err)
	}
	want := agent.Config{
		Name: "web-7", Mediators: []string{"127.0.0.1:8000", "b:8000"}, DrainTimeout: 2 * time.Minute, Software: cli.Version(),
		Spool:   agent.SpoolConfig{Path: "s.db", MaxSize: 2e9, WhenFull: "drop_oldest", WhenDamaged: "repair", Compression: "zstd"},
		MaxLine: 1 << 20,
		Files: []agent.FileConfig{{
			Paths: []string{"/var/log/nginx/*.log", "/srv/**/app.log"}, Exclude: []string{"*.gz"}, Log: "{host}/nginx/{stem}", Start: "end",
			Lines: line.Rules{
				Include: []string{"a", "b"}, Exclude: []string{"c"}, Redact: []line.Redaction{{Pattern: "d"}, {Pattern: "(e)", With: "$1"}},
				Multiline: line.Multiline{Start: "^f", MaxLines: 9, MaxBytes: 1 << 20, Timeout: 7 * time.Second}, Prefix: "{time} ",
			},
		}},
		Stdin: &agent.StdinConfig{Log: "web/access", Lines: line.Rules{
			Multiline: line.Multiline{Continue: `^\s`, MaxLines: 500, MaxBytes: 1 << 10, Timeout: 5 * time.Second},
		}},
	}
	if got := c.plan(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestLogFlagBeatsStdinTable(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "agent.toml", sender+"[[stdin]]\nlog = \"a\"")
	c := &config{host: host("-config", "agent.toml", "-log", "b")}
	if _, err := c.program().Parse(c.host); err != nil {
		t.Fatal(err)
	}
	if log := c.plan().Stdin.Log; log != "b" {
		t.Errorf("got log %q", log)
	}
}

func TestSpoolPath(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "agent.toml", sender+table)
	long := strings.Repeat("long/", 100)
	for _, tc := range []struct {
		args string
		env  map[string]string
		want string
	}{
		{"-mediator a:1 -log web/access", home, "/home/x/.local/state/scribe-agent/stdin-web%2Faccess.db"},
		{"-mediator a:1 -log web%2Faccess", home, "/home/x/.local/state/scribe-agent/stdin-web%252Faccess.db"},
		{"-mediator a:1 -log a", map[string]string{"STATE_DIRECTORY": "/s"}, "/s/stdin-a.db"},
		{"-mediator a:1 -log a -spool x.db", home, "x.db"},
		{"-config agent.toml", home, "/home/x/.local/state/scribe-agent/spool.db"},
		{"-config agent.toml", map[string]string{"STATE_DIRECTORY": "/s"}, "/s/spool.db"},
		{"-local d -log web/access", nil, "d/.scribe/agent-stdin-web%2Faccess.db"},
		{"-mediator a:1 -log " + long + "a", map[string]string{"STATE_DIRECTORY": "/s"},
			"/s/stdin-" + strings.Repeat("long%2F", 25)[:maxFileName-33] + ",cba3421801e3ea9fa8df3681c24568de.db"},
	} {
		c := &config{host: cli.Host{Args: strings.Fields(tc.args), LookupEnv: lookup(tc.env)}}
		if _, err := c.program().Parse(c.host); err != nil || c.spool != tc.want {
			t.Errorf("%s: got %q, %v", tc.args, c.spool, err)
		}
	}
}

func TestFileNamesDiffer(t *testing.T) {
	long := strings.Repeat("x", 199) + "/"
	names := map[string]string{}
	for _, log := range []string{"a/b", "a%2Fb", "a_b", "a b", "A/b", long + "a", long + "b"} {
		name := fileName(log)
		if other, ok := names[name]; ok || len(name) > maxFileName || strings.Contains(name, "/") {
			t.Errorf("%q becomes %q, as does %q", log, name, other)
		}
		names[name] = log
	}
}

func TestLocal(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := call(t, "one\ntwo", "", "-local", "logs", "-log", "web/access", "-tee")
	if code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	got, err := os.ReadFile(filepath.Join("logs", "web", "access.log"))
	if err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if !strings.HasPrefix(stdout, "one\ntwo") {
		t.Errorf("tee wrote %q", stdout)
	}
	if _, err := os.Stat("logs/.scribe/agent-stdin-web%2Faccess.db"); err != nil {
		t.Error(err)
	}
}

// TestLinesOfStandardInput runs the whole program.
func TestLinesOfStandardInput(t *testing.T) {
	t.Chdir(t.TempDir())
	toml := "max_line = \"10B\"\ncut_mark = \"+\"\n[[stdin]]\nlog = \"a\"\nlines.exclude = ['b']\n"
	if code, _, stderr := call(t, "a\nb\n0123456789abc\n", toml, "-local", "logs"); code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	if got, err := os.ReadFile(filepath.Join("logs", "a.log")); err != nil || string(got) != "a\n0123456789+\nabc\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestUndelivered(t *testing.T) {
	t.Chdir(t.TempDir())
	code, _, stderr := call(t, "one\ntwo\n", "", "-mediator", "127.0.0.1:1", "-log", "a", "-spool", "s.db", "-drain-timeout", "10ms", "-log-level", "error")
	want := "scribe-agent: 2 lines are not delivered yet; they stay in the spool s.db, and the next start with that spool sends them\n"
	if code != 1 || stderr != want {
		t.Errorf("code %d\n got %s\nwant %s", code, stderr, want)
	}
}

func TestValidate(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, "one.log", "")
	writeFile(t, "two.log", "")
	writeFile(t, "two.log.gz", "")
	toml := `mediators = ["a:1"]
[[file]]
paths = ["*.log*"]
exclude = ["*.gz"]
log = "x/{stem}"
[[file]]
paths = ["/none/such/*"]
log = "y"
start = "end"
lines = { include = ['a', 'b'], multiline = { continue = '^\s' }, redact = [{ pattern = 'c' }], prefix = "{host} " }
`
	code, stdout, stderr := call(t, "", toml, "validate", "-spool", "s.db")
	want := `destination  a:1, in the clear
spool        DIR/s.db, would be made, up to 1GB, then block; compression s2

[[file]]     agent.toml:2, from the beginning: *.log* -> x/{stem}
  DIR/one.log -> x/one
  DIR/two.log -> x/two

[[file]]     agent.toml:6, from the end: /none/such/* -> y
lines        events continue with ^\s; include a or b; redact c; prefix "{host} "
  warning: /none/such/*: there is no /none

all right, but see the warnings
`
	if code != 0 || stderr != "" || strings.ReplaceAll(stdout, dir, "DIR") != want {
		t.Errorf("code %d, stderr %s\n%s", code, stderr, stdout)
	}
	if _, err := os.Stat("s.db"); err == nil {
		t.Error("the spool was made")
	}
}

// TestValidateQuietly: what a unit asks before it starts the agent must not depend on files that can't be read, nor fill the journal.
func TestValidateQuietly(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir(".scribe", 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, ".scribe/a", "")
	toml := sender + "[[file]]\npaths = [\".scribe/*\"]\nlog = \"{dir}/{name}\"\n"
	if code, stdout, stderr := call(t, "", toml, "validate", "-quiet"); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("code %d: %s\n%s", code, stderr, stdout)
	}
	if code, _, stderr := call(t, "", toml+"starts = 1\n", "validate", "-quiet"); code != 2 || !strings.Contains(stderr, "agent.toml:") {
		t.Errorf("code %d: %s", code, stderr)
	}
	if code, _, stderr := call(t, "", toml, "-quiet"); code != 2 || stderr != "scribe-agent: -quiet goes with scribe-agent validate only\n" {
		t.Errorf("code %d: %s", code, stderr)
	}
}

func TestValidateFindsBadNames(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir(".scribe", 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, ".scribe/a", "")
	code, stdout, stderr := call(t, "", sender+"[[file]]\npaths = [\".scribe/*\"]\nlog = \"{dir}/{name}\"\n", "validate")
	if code != 1 || stderr != "scribe-agent: the settings are right, but not all files can be tailed: 1 is not\n" ||
		!strings.Contains(stdout, `.scribe/a: bad log name ".scribe/a": .scribe is the Scribe's own folder`) {
		t.Errorf("code %d: %s\n%s", code, stderr, stdout)
	}
}
