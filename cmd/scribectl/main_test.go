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
	for name := range commands {
		if !strings.Contains(stdout, "scribectl "+name) && !strings.Contains(stdout, "scribectl -mediator HOST:PORT "+name) {
			t.Errorf("the usage does not name %s:\n%s", name, stdout)
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
		{nil, "scribectl: what shall it show? scribectl version (see scribectl -h)\n"},
		{[]string{"versoin"}, "scribectl: unexpected argument \"versoin\"; did you mean version? (see scribectl -h)\n"},
		{[]string{"version", "-o", "xml"}, "scribectl: -o: bad value \"xml\": use text or json\n"},
	} {
		if code, stdout, stderr := call(tc.args...); code != 2 || stderr != tc.want || stdout != "" {
			t.Errorf("%q: code %d\n got %s\nwant %s", tc.args, code, stderr, tc.want)
		}
	}
}
