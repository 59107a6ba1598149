// Package clitest checks what is shipped beside a program: its example file and its systemd unit.
package clitest

import (
	"fmt"
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
		if problem := missing(lines, k); problem != "" {
			t.Errorf("%s: %s", file, problem)
		}
		notices(t, string(text), k)
	}
}

// notices fails the test if a key that is left out of the example, or has another default there, would not be noticed.
func notices(t *testing.T, text string, k cli.Key) {
	t.Helper()
	for what, change := range map[string]func(string) string{
		"left out":             func(string) string { return "" },
		"with another default": func(l string) string { return strings.Replace(l, k.Default, "x"+k.Default, 1) },
	} {
		if k.Default == "" && what != "left out" {
			continue
		}
		table := ""
		var changed strings.Builder
		for l := range strings.Lines(text) {
			bare := strings.TrimRight(l, "\r\n")
			if m := headerLine.FindStringSubmatch(bare); m != nil {
				table = m[1]
			} else if m := keyLine.FindStringSubmatch(bare); m != nil && table == k.Table && m[2] == k.Name {
				l = change(l)
			}
			changed.WriteString(l)
		}
		if lines, _ := readExample(changed.String()); missing(lines, k) == "" {
			t.Errorf("it would not be noticed if %s %s were %s", k.Table, k.Name, what)
		}
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

// missing says what is missing of a key in an example, "" if nothing is.
func missing(lines []line, k cli.Key) string {
	i := slices.IndexFunc(lines, func(l line) bool {
		return l.table == k.Table && l.name == k.Name && (k.Default == "" || !l.active && strings.Trim(l.value, `"`) == k.Default)
	})
	switch {
	case i >= 0:
		return ""
	case k.Default != "":
		return fmt.Sprintf("there is no line #%s = %s %s", k.Name, k.Default, k.Table)
	default:
		return fmt.Sprintf("there is no key %s %s", k.Name, k.Table)
	}
}

// parse reads the arguments without an environment.
func parse(p *cli.Program, args ...string) (done bool, err error) {
	return p.Parse(cli.Host{Args: args, LookupEnv: func(string) (string, bool) { return "", false }, Stdout: os.Stderr})
}
