package main

import (
	"bytes"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/cli/clitest"
)

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { text, ok := env[name]; return text, ok }
}

func program() *cli.Program {
	c := &config{lookupEnv: lookup(map[string]string{"HOME": "/home/x"})}
	return c.program()
}

func TestExample(t *testing.T) { clitest.Example(t, "../../packaging/examples/mediator.toml", program) }

func TestUnit(t *testing.T) {
	clitest.Unit(t, "../../packaging/systemd/scribe-mediator.service", "../../packaging/examples", "scribe-mediator", program)
}

func TestDataFolder(t *testing.T) {
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want string
		err  string
	}{
		{[]string{"-data", "d"}, nil, "d", ""},
		{nil, map[string]string{"SCRIBE_MEDIATOR_DATA": "e", "HOME": "/h"}, "e", ""},
		{nil, map[string]string{"STATE_DIRECTORY": "/var/lib/scribe-mediator"}, "/var/lib/scribe-mediator", ""},
		{nil, map[string]string{"HOME": "/h"}, "/h/.local/state/scribe-mediator", ""},
		{nil, nil, "", "there is no folder to keep state in: STATE_DIRECTORY, XDG_STATE_HOME and HOME are unset; name one with -data"},
	} {
		c := &config{lookupEnv: lookup(tc.env)}
		_, err := c.program().Parse(cli.Host{Args: tc.args, LookupEnv: c.lookupEnv})
		if c.data != tc.want || (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
			t.Errorf("%q, %v: got %q, %v", tc.args, tc.env, c.data, err)
		}
	}
}

func TestFailover(t *testing.T) {
	for text, want := range map[string]time.Duration{"5m": 5 * time.Minute, "-1": -1} {
		c := &config{lookupEnv: lookup(nil)}
		if _, err := c.program().Parse(cli.Host{Args: []string{"-data=d", "-failover-after", text}, LookupEnv: c.lookupEnv}); err != nil || c.failoverAfter != want {
			t.Errorf("%s: got %v, %v", text, c.failoverAfter, err)
		}
	}
}

func call(args ...string) (code int, stderr string) {
	var out, errs bytes.Buffer
	code = run(cli.Host{Args: append([]string{"-ops", "off"}, args...), LookupEnv: lookup(nil), Stdout: &out, Stderr: &errs})
	return code, errs.String()
}

func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-dat", "x"}, "scribe-mediator: unknown flag -dat; did you mean -data? (see scribe-mediator -h)\n"},
		{[]string{"-failover-after", "soon"}, "scribe-mediator: -failover-after: bad time \"soon\": write 500ms, 5s, 1m30s or 2h\n"},
		{[]string{"-crt", "a", "-pk", "b"}, "scribe-mediator: tls: crt: open a: no such file or directory\n"},
	} {
		if code, stderr := call(tc.args...); code != 2 || stderr != tc.want {
			t.Errorf("%q: code %d\n got %s\nwant %s", tc.args, code, stderr, tc.want)
		}
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	code, stderr := call("-host", "127.0.0.1", "-port", port, "-data", t.TempDir())
	if want := "scribe-mediator: can't listen on 127.0.0.1:" + port + ": another process already does\n"; code != 1 || stderr != want {
		t.Errorf("code %d\n got %s\nwant %s", code, stderr, want)
	}
}
