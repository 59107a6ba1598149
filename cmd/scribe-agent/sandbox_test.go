package main

import (
	"os"
	"strings"
	"testing"
)

func TestSandboxOfTheUnit(t *testing.T) {
	const loaded = "LoadState=loaded\n"
	const all, some = "hidden from the agent by ", "what it matches below "
	for _, tc := range []struct{ show, glob, want string }{
		{loaded + "ProtectHome=yes\nPrivateTmp=no\n", "/home/*/app.log", all + "ProtectHome=yes"},
		{loaded + "ProtectHome=yes\nPrivateTmp=no\n", "/tmp/app.log", ""},
		{loaded + "ProtectHome=tmpfs\n", "/run/user/**/app.log", all + "ProtectHome=tmpfs"},
		{loaded + "ProtectHome=read-only\n", "/root/app.log", ""},
		{loaded + "ProtectHome=yes\n", "/homes/app.log", ""},
		{loaded + "ProtectHome=yes\n", "/**/app.log", some + "/home, /root, /run/user is hidden from the agent by ProtectHome=yes"},
		{loaded + "ProtectHome=yes\n", "/run/**/app.log", some + "/run/user is hidden from the agent by ProtectHome=yes"},
		{loaded + "ProtectHome=yes\n", "/srv/**/app.log", ""},
		{loaded + "ProtectHome=yes\n", "/{home,srv}/*/app.log", some + "/home is hidden from the agent by ProtectHome=yes"},
		{loaded + "PrivateTmp=yes\n", "/var/tmp/a/b.log", all + "PrivateTmp=yes"},
		{loaded + "PrivateTmp=yes\n", "/var/*/b.log", some + "/var/tmp is hidden from the agent by PrivateTmp=yes"},
		{loaded + "PrivateTmp=yes\n", "/var/*", ""},
		{loaded + "PrivateTmp=disconnected\n", "/tmp/*", all + "PrivateTmp=disconnected"},
		{loaded + "InaccessiblePaths=-/srv/a +/srv/b\n", "/srv/b/*.log", all + "InaccessiblePaths"},
		{loaded + "InaccessiblePaths=/srv/b/app.log\n", "/srv/b/app.log", all + "InaccessiblePaths"},
		{loaded + "InaccessiblePaths=/srv/b\n", "/srv", ""},
		{"LoadState=not-found\nProtectHome=yes\n", "/home/*", ""},
	} {
		got := strings.TrimSuffix(strings.Join(parseSandbox(tc.show).hides(tc.glob), "; "), " in "+unit)
		if got != tc.want {
			t.Errorf("%s of %q: got %q, want %q", tc.glob, tc.show, got, tc.want)
		}
	}
	for show, want := range map[string]string{
		"User=scribe-agent\nAmbientCapabilities=\n":                    "scribe-agent",
		"User=scribe-agent\nAmbientCapabilities=cap_dac_read_search\n": "",
		"User=root\n": "",
	} {
		if got := parseSandbox(loaded + show).user; got != want {
			t.Errorf("user of %q: got %q, want %q", show, got, want)
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
		if hidden := s.hides(glob); len(hidden) > 0 {
			t.Errorf("%s is hidden: %s", glob, hidden)
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
	if err := c.validate(&out, sandbox{hidden: []hiding{{dir, "PrivateTmp=yes"}}}); err != nil {
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
