package main

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/signals"
)

func TestMain(m *testing.M) {
	signals.Release()
	goleak.VerifyTestMain(m)
}

// call runs scribectl without an environment.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(cli.Host{Args: args, LookupEnv: func(string) (string, bool) { return "", false }, Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	code, stdout, stderr := call("-h")
	if code != 0 || stderr != "" {
		t.Errorf("code %d, stderr %s", code, stderr)
	}
	for _, c := range commands {
		if !strings.Contains(stdout, "  scribectl -mediator HOST:PORT "+c.name) && !strings.Contains(stdout, "  scribectl "+c.name) {
			t.Errorf("the usage does not name %s:\n%s", c.name, stdout)
		}
	}
	for line := range strings.Lines(stdout) {
		if n := len([]rune(line)); n > 97 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if code, stdout, _ := call("-version"); code != 0 || !strings.HasPrefix(stdout, "scribectl ") {
		t.Errorf("code %d, %s", code, stdout)
	}
}

func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "scribectl: what shall it show? scribectl status, top, logs, version or demo (see scribectl -h)\n"},
		{[]string{"versoin"}, "scribectl: unexpected argument \"versoin\"; did you mean version? (see scribectl -h)\n"},
		{[]string{"status", "-n", "3"}, "scribectl: -n goes with logs and top only\n"},
		{[]string{"logs", "-every", "3s"}, "scribectl: -every goes with top only\n"},
		{[]string{"logs", "-match", "[a"}, "scribectl: -match: bad pattern \"[a\": write a glob of names of logs, such as web/* or **/access\n"},
		{[]string{"logs", "-sort", "speed"}, "scribectl: -sort: bad value \"speed\": use name, rate, size, waiting or written\n"},
		{[]string{"-mediator", "here", "top"}, "scribectl: -mediator: bad address \"here\": write HOST:PORT\n"},
		{[]string{"-ca", "a", "top"}, "scribectl: tls: ca: open a: no such file or directory\n"},
		{[]string{"version", "-o", "xml"}, "scribectl: -o: bad value \"xml\": use text or json\n"},
	} {
		if code, stdout, stderr := call(tc.args...); code != 2 || stderr != tc.want || stdout != "" {
			t.Errorf("%q: code %d\n got %s\nwant %s", tc.args, code, stderr, tc.want)
		}
	}
}
