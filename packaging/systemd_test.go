package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// programs are the ones that run as services.
var programs = []string{"scribe", "scribe-agent", "scribe-mediator"}

// units returns the text of all units of services by their names, that of the agent's instances among them.
func units(t *testing.T) map[string]string {
	t.Helper()
	units := map[string]string{}
	for _, name := range append(slices.Clone(programs), "scribe-agent@") {
		units[name+".service"] = read(t, "systemd/"+name+".service")
	}
	if files, err := filepath.Glob("systemd/*.service"); err != nil || len(files) != len(units) {
		t.Fatalf("found units %q, %v", files, err)
	}
	return units
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs one of systemd's tools, which must end well and say nothing of a problem.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// installed matches a program in a unit, which need not be installed here.
var installed = regexp.MustCompile(`(?m)^(Exec\w+)=/usr/bin/\S+`)

// TestUnitsAreValid has systemd judge the units, with their sockets and the drop-ins for credentials, and how well they are
// locked up: 2.0 at most, of 10.
func TestUnitsAreValid(t *testing.T) {
	dir := t.TempDir()
	for name, text := range units(t) {
		write(t, filepath.Join(dir, name), installed.ReplaceAllString(text, "$1=/bin/true"))
		program, _, _ := strings.Cut(strings.TrimSuffix(name, ".service"), "@")
		write(t, filepath.Join(dir, name+".d", "credentials.conf"), read(t, "systemd/"+program+".credentials.conf"))
	}
	write(t, filepath.Join(dir, "scribe-agent@.socket"), read(t, "systemd/scribe-agent@.socket"))
	for name := range units(t) {
		file := filepath.Join(dir, name)
		if out := command(t, "systemd-analyze", "verify", "--man=no", file); strings.Contains(out, "scribe") {
			t.Errorf("%s:\n%s", name, out)
		}
		command(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", file)
	}
}

func TestUnitsAgree(t *testing.T) {
	want := []string{
		"Type=notify", "TimeoutStartSec=infinity", "WatchdogSec=1min", "ExecReload=/bin/kill -HUP $MAINPID", "Restart=always",
		"TimeoutStopSec=30s", "StartLimitIntervalSec=0", "NoNewPrivileges=yes", "ProtectSystem=strict",
	}
	for name, text := range units(t) {
		unit := strings.TrimSuffix(name, ".service") // whose variables it reads: instances have not those of the single agent
		program, _, _ := strings.Cut(unit, "@")
		lines := strings.Split(text, "\n")
		for _, l := range append(slices.Clone(want), "User="+program, "StateDirectory="+program, "EnvironmentFile=-/etc/default/"+unit) {
			if !slices.Contains(lines, l) {
				t.Errorf("%s has no line %s", name, l)
			}
		}
	}
}

func TestUsers(t *testing.T) {
	root := t.TempDir()
	for _, program := range programs {
		text := read(t, "systemd/"+program+".sysusers")
		if !regexp.MustCompile(`(?m)^u ` + program + ` `).MatchString(text) {
			t.Errorf("there is no user %s", program)
		}
		write(t, filepath.Join(root, "usr/lib/sysusers.d", program+".conf"), text)
	}
	if out := command(t, "systemd-sysusers", "--dry-run", "--root="+root); strings.Contains(out, ".conf:") {
		t.Error(out)
	}
}
