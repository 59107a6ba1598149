package clitest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/internal/cli"
)

// Unit checks that a program understands the command line that its systemd unit starts it with. The unit's
// configuration file is looked for in the folder examples instead of /etc/scribe.
func Unit(t *testing.T, file, examples, program string, p *cli.Program) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const start = "ExecStart="
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, start) })
	if i < 0 {
		t.Fatalf("%s starts nothing", file)
	}
	words := strings.Fields(strings.TrimPrefix(lines[i], start))
	if words[0] != "/usr/bin/"+program {
		t.Errorf("%s starts %s", file, words[0])
	}
	for i, w := range words {
		if name, ok := strings.CutPrefix(w, "/etc/scribe/"); ok {
			words[i] = filepath.Join(examples, name)
		}
	}
	if _, err := parse(p, words[1:]...); err != nil {
		t.Errorf("%s: %v", lines[i], err)
	}
}
