// Package clitest checks what is shipped beside a program: its example file and its systemd unit.
package clitest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/internal/cli"
)

// An example file shows every key. One that is left at its default stands behind a #, without a space after it; text
// in comments has one.
var (
	keyLine    = regexp.MustCompile(`^(#?)([a-z_]+) *= *(.*?)(?:\s+#.*)?$`)
	headerLine = regexp.MustCompile(`^#?(\[\[?[a-z_.]+\]\]?)$`)
)

// line is a key in an example file.
type line struct {
	table, name, value string
	active             bool
}

// Example checks an example file: it is accepted as it is, and with all its defaults made explicit; every key is
// there, and where the program has a default, so is that. newProgram is called several times.
func Example(t *testing.T, file string, newProgram func() *cli.Program, args ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(newProgram(), append([]string{"-config", file}, args...)...); err != nil {
		t.Errorf("as it is: %v", err)
	}
	lines, explicit := readExample(string(text))
	full := filepath.Join(t.TempDir(), "explicit.toml")
	if err := os.WriteFile(full, []byte(explicit), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram()
	p.Finish(func() error { return nil }) // the certificates it names need not exist
	if _, err := parse(p, "-config", full); err != nil {
		t.Errorf("with its defaults explicit: %v\n%s", err, explicit)
	}
	for _, k := range newProgram().Keys() {
		checkKey(t, lines, k)
	}
}

// readExample returns the keys of an example, and its text with every key made active that isn't.
func readExample(text string) (lines []line, explicit string) {
	table := ""
	active := map[string]bool{}
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\r\n")
		if m := headerLine.FindStringSubmatch(l); m != nil {
			table = m[1]
		} else if m := keyLine.FindStringSubmatch(l); m != nil {
			lines = append(lines, line{table, m[2], m[3], m[1] == ""})
			active[table+m[2]] = active[table+m[2]] || m[1] == ""
		}
	}
	var out strings.Builder
	table = ""
	for l := range strings.Lines(text) {
		bare := strings.TrimRight(l, "\r\n")
		if m := headerLine.FindStringSubmatch(bare); m != nil {
			table, l = m[1], m[1]+"\n"
		} else if m := keyLine.FindStringSubmatch(bare); m != nil && m[1] != "" && !active[table+m[2]] {
			l = l[1:]
		}
		out.WriteString(l)
	}
	return lines, out.String()
}

func checkKey(t *testing.T, lines []line, k cli.Key) {
	t.Helper()
	i := slices.IndexFunc(lines, func(l line) bool {
		return l.table == k.Table && l.name == k.Name && (k.Default == "" || !l.active && strings.Trim(l.value, `"`) == k.Default)
	})
	if i < 0 && k.Default != "" {
		t.Errorf("there is no line #%s = %s %s", k.Name, k.Default, k.Table)
	} else if i < 0 {
		t.Errorf("there is no key %s %s", k.Name, k.Table)
	}
}

// parse reads the arguments without an environment.
func parse(p *cli.Program, args ...string) (done bool, err error) {
	return p.Parse(cli.Host{Args: args, LookupEnv: func(string) (string, bool) { return "", false }, Stdout: os.Stderr})
}
