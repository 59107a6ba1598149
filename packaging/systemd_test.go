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

func units(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("systemd/*.service")
	if err != nil || len(files) != 3 {
		t.Fatalf("found units %q, %v", files, err)
	}
	units := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		units[filepath.Base(f)] = string(text)
	}
	return units
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

func TestUnitsAreValid(t *testing.T) {
	start := regexp.MustCompile(`(?m)^ExecStart=\S+`)
	for name, text := range units(t) {
		// The programs need not be installed here.
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(start.ReplaceAllString(text, "ExecStart=/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := command(t, "systemd-analyze", "verify", "--man=no", file); strings.Contains(out, name) {
			t.Errorf("%s:\n%s", name, out)
		}
		command(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", file)
	}
}

func TestUnitsAgree(t *testing.T) {
	want := []string{
		"Type=exec", "ExecReload=/bin/kill -HUP $MAINPID", "Restart=always", "TimeoutStopSec=30s", "StartLimitIntervalSec=0",
		"NoNewPrivileges=yes", "ProtectSystem=strict",
	}
	for name, text := range units(t) {
		program := strings.TrimSuffix(name, ".service")
		lines := strings.Split(text, "\n")
		for _, l := range append(slices.Clone(want), "User="+program, "StateDirectory="+program, "EnvironmentFile=-/etc/default/"+program) {
			if !slices.Contains(lines, l) {
				t.Errorf("%s has no line %s", name, l)
			}
		}
	}
}

func TestUsers(t *testing.T) {
	text, err := os.ReadFile("systemd/sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	for name := range units(t) {
		user := strings.TrimSuffix(name, ".service")
		if !regexp.MustCompile(`(?m)^u ` + user + ` `).Match(text) {
			t.Errorf("there is no user %s", user)
		}
	}
	root := t.TempDir()
	dir := filepath.Join(root, "usr/lib/sysusers.d")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "logscribe.conf"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := command(t, "systemd-sysusers", "--dry-run", "--root="+root); strings.Contains(out, "logscribe.conf") {
		t.Error(out)
	}
}
