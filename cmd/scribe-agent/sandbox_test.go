package main

import (
	"os"
	"strings"
	"testing"
)

func TestSandboxOfTheUnit(t *testing.T) {
	const loaded = "LoadState=loaded\n"
	for _, tc := range []struct{ show, glob, want string }{
		{loaded + "ProtectHome=yes\nPrivateTmp=no\n", "/home/*/app.log", "ProtectHome=yes"},
		{loaded + "ProtectHome=yes\nPrivateTmp=no\n", "/tmp/app.log", ""},
		{loaded + "ProtectHome=tmpfs\n", "/run/user/**/app.log", "ProtectHome=tmpfs"},
		{loaded + "ProtectHome=read-only\n", "/root/app.log", ""},
		{loaded + "ProtectHome=yes\n", "/homes/app.log", ""},
		{loaded + "ProtectHome=yes\n", "/**/app.log", ""},
		{loaded + "PrivateTmp=yes\n", "/var/tmp/a/b.log", "PrivateTmp=yes"},
		{loaded + "PrivateTmp=disconnected\n", "/tmp/*", "PrivateTmp=disconnected"},
		{loaded + "InaccessiblePaths=-/srv/a +/srv/b\n", "/srv/b/*.log", "InaccessiblePaths"},
		{"LoadState=not-found\nProtectHome=yes\n", "/home/*", ""},
	} {
		if got := parseSandbox(tc.show).hides(tc.glob); got != tc.want {
			t.Errorf("%s of %q: got %q, want %q", tc.glob, tc.show, got, tc.want)
		}
	}
}

// TestShippedUnitHidesNothing: the unit that we ship lets the agent see logs wherever people have them.
func TestShippedUnitHidesNothing(t *testing.T) {
	text, err := os.ReadFile("../../packaging/systemd/" + unit)
	if err != nil {
		t.Fatal(err)
	}
	s := parseSandbox("LoadState=loaded\n" + string(text))
	for _, glob := range []string{"/home/*/logs/*.log", "/tmp/*.log", "/var/tmp/*.log", "/root/*.log", "/srv/*.log"} {
		if setting := s.hides(glob); setting != "" {
			t.Errorf("%s is hidden by %s", glob, setting)
		}
	}
}

func TestValidateWarns(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, "one.log", "")
	writeFile(t, "two.log", "")
	writeFile(t, "agent.toml", `mediators = ["a:1"]
[[file]]
paths = ["one.*", "later-*.log", "exact.log"]
log = "x"
[[file]]
paths = ["*.log"]
log = "y"
`)
	c := &config{host: host("-config", "agent.toml")}
	if _, err := c.program().Parse(c.host); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := c.validate(&out, sandbox{dir: "PrivateTmp=yes"}); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(strings.ReplaceAll(out.String(), dir, "DIR"), "\n\n")
	want := `[[file]]     agent.toml:2, from the beginning: one.* later-*.log exact.log -> x
  DIR/one.log -> x
  warning: DIR/later-*.log: no file matches it now
  warning: DIR/exact.log: there is no DIR/exact.log
  warning: one.*: hidden from the agent by PrivateTmp=yes in scribe-agent.service
  warning: later-*.log: hidden from the agent by PrivateTmp=yes in scribe-agent.service
  warning: exact.log: hidden from the agent by PrivateTmp=yes in scribe-agent.service

[[file]]     agent.toml:5, from the beginning: *.log -> y
  DIR/two.log -> y
  warning: DIR/*.log: 1 of 2 files belong to a table above it, such as DIR/one.log: the first one that matches a file has it
  warning: *.log: hidden from the agent by PrivateTmp=yes in scribe-agent.service

all right, but see the warnings
`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
