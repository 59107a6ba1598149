package cli

import (
	"context"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const printed = `path = "logs" # the comment is not kept
mediators = ["a:1", "b:2"]
[spool]
when_full = "drop_oldest"
[[file]]
paths = ["x\ty", 'C:\z', "é\u0001"]
log = "x"
[file.lines]
prefix = "p"
[file.lines.multiline]
max_lines = 7
[[file.lines.redact]]
pattern = 'a"b'
[[file.lines.redact]]
pattern = "c"
with = "d"
[[file]]
paths = ["z"]
log = "z"
start = "end"
`

func TestPrintConfig(t *testing.T) {
	c := call{args: []string{"print-config", "-size", "2MB", "-stdin", "web/access"}, env: env("SCRIBE_PORT", "81", "SCRIBE_PLAIN", "true"), toml: printed}
	p := newPrinted()
	out, err := c.parse(t, p.Program)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# The file is scribe.toml",
		"# -plain true stands in no file (environment SCRIBE_PLAIN)",
		`path = "logs" # scribe.toml:1`,
		`size = "2MB" # flag -size`,
		`console = false # default`,
		`port = 81 # environment SCRIBE_PORT`,
		`mediators = ["a:1", "b:2"] # scribe.toml:2`,
		`#ca = "" # not set`,
		`state = "/found" # found out`,
		`#ops = "127.0.0.1:0" # default`,
		`[spool] when_full = "drop_oldest" # scribe.toml:4`,
		`[file.lines.multiline] max_lines = 7 # scribe.toml:11`,
		`[[stdin]] log = "web/access" # flag -stdin`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}

	// As a file it leads to the same, by itself.
	again := newPrinted()
	second, err := call{args: []string{"print-config", "-plain"}, toml: out}.parse(t, again.Program)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if a, b := values(out), values(second); !slices.Equal(a, b) {
		t.Errorf("read back it says\n%s\nafter\n%s", second, out)
	}
}

// printedSample is a sample with settings of the kinds that print-config has to explain.
type printedSample struct {
	*sample
	state string
}

func newPrinted() *printedSample {
	s := &printedSample{sample: newSample()}
	s.Program.String(&s.state, "state", "", "found out if it is not set").Arg("DIR")
	s.Program.Bool(new(bool), "plain", "has no key").Key("")
	s.Program.String(new(string), "stdin", "", "stands for a table").InTable("stdin", "log")
	s.Finish(func() error {
		if s.state == "" {
			s.state = "/found"
		}
		return nil
	})
	return s
}

// values returns what is set, and the headers.
func values(config string) (lines []string) {
	comment := regexp.MustCompile(`\s+# [^"]*$`)
	for l := range strings.Lines(config) {
		if l = comment.ReplaceAllString(strings.TrimSpace(l), ""); l != "" && l[0] != '#' {
			lines = append(lines, l)
		}
	}
	return lines
}

// TestPrintConfigOfMistakes: what could be read is shown, beside the mistake.
func TestPrintConfigOfMistakes(t *testing.T) {
	h, stdout, stderr := host(nil, "print-config", "-size", "2MB")
	s := newSample()
	s.Finish(func() error { return Usagef("no certificate") })
	if code := s.Main(h, nil); code != 2 || !strings.Contains(stdout.String(), `size = "2MB"`) || stderr.String() != "scribe: no certificate\n" {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	out, err := call{args: []string{"print-config", "-path", "https://joe:hunter2@example.com/x", "-ca", "-----BEGIN PRIVATE KEY-----\nMII"}}.parse(t, newSample().Program)
	if err != nil || strings.Contains(out, "hunter2") || strings.Contains(out, "MII") || !strings.Contains(out, `#path = "https://joe:xxxxx@example.com/x"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestCommandServesNoProfiles: a command may be given beside a program that runs with the same settings.
func TestCommandServesNoProfiles(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h, _, stderr := host(nil, "validate", "-pprof", "-pport", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	if code := newSample().Main(h, func(context.Context, *Process) error { return nil }); code != 0 || stderr.String() != "" {
		t.Errorf("code %d: %s", code, stderr)
	}
}

func TestCheckFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "file", "")
	if err := os.Symlink("nowhere", "link"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ folder, state, err string }{
		{".", "there", ""},
		{"new/deep/er", "would be made", ""},
		{"file", "", "file is no folder"},
		{"file/x", "", "not a directory"},
		{"link", "", "link is a link that leads nowhere"},
		{"/proc/sys/x", "", "no files can be made in /proc"},
	} {
		if tc.folder == "/proc/sys/x" && (runtime.GOOS != "linux" || os.Geteuid() == 0) {
			continue
		}
		state, err := CheckFolder(tc.folder)
		if state != tc.state || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %q, %v", tc.folder, state, err)
		}
	}
	for _, tc := range []struct{ file, state, err string }{
		{"file", "there", ""},
		{"new/x.db", "would be made", ""},
		{".", "", ". is no ordinary file"},
		{"file/x", "", "not a directory"},
	} {
		state, err := CheckFile(tc.file)
		if state != tc.state || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %q, %v", tc.file, state, err)
		}
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 2 {
		t.Errorf("something was made: %v, %v", entries, err)
	}
}
