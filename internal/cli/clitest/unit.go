package clitest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/internal/cli"
)

// Unit checks that a program understands the command lines that its systemd unit calls it with: it is started, and before
// that, and before a reload, its settings are validated by the same ones. The unit's configuration file is looked for in the
// folder examples instead of /etc/scribe. An instance is that of the log web/access.
func Unit(t *testing.T, file, examples, program string, newProgram func() *cli.Program) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, command, _ := strings.Cut(strings.TrimSpace(line), "=")
		words := strings.Fields(command)
		if !strings.HasPrefix(name, "Exec") || words[0] != "/usr/bin/"+program {
			continue
		}
		args := words[1:]
		calls[name] = strings.Join(slices.DeleteFunc(slices.Clone(args), func(w string) bool { return w == "validate" || w == "-quiet" }), " ")
		for i, w := range args {
			if name, ok := strings.CutPrefix(w, "/etc/scribe/"); ok {
				args[i] = filepath.Join(examples, name)
			}
			if w == "%I" {
				args[i] = "web/access"
			}
		}
		p := newProgram()
		if _, err := parse(p, args...); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if want := map[bool]string{true: "", false: "validate"}[name == "ExecStart"]; p.Command() != want {
			t.Errorf("%s: the command is %q, not %q", line, p.Command(), want)
		}
	}
	if start := calls["ExecStart"]; start == "" || calls["ExecStartPre"] != start || calls["ExecReload"] != start {
		t.Errorf("%s validates other settings than it starts with: %q", file, calls)
	}
}
