package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/cli/clitest"
)

func program() *cli.Program { return new(config).program() }

func TestExample(t *testing.T) { clitest.Example(t, "../../packaging/examples/scribe.toml", program) }

func TestUnit(t *testing.T) {
	clitest.Unit(t, "../../packaging/systemd/scribe.service", "../../packaging/examples", "scribe", program)
}

func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(cli.Host{Args: append([]string{"-ops", "off"}, args...), LookupEnv: func(string) (string, bool) { return "", false }, Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-prot", "1"}, "scribe: unknown flag -prot; did you mean -port? (see scribe -h)\n"},
		{[]string{"-size", "1XB"}, "scribe: -size: bad size \"1XB\": not a whole number and a unit (write 1MB, 512KiB or -1B for no limit)\n"},
		{[]string{"-mediator", "a"}, "scribe: -mediator: bad address \"a\": write HOST:PORT\n"},
		{[]string{"-host", "a:1"}, "scribe: -host: bad host \"a:1\": write a name or an IP address, without a port\n"},
		{[]string{"-advertise", "a"}, "scribe: -advertise: bad address \"a\": write HOST:PORT\n"},
		{[]string{"-crt", "a"}, "scribe: tls: crt is set (a), but pk is missing\n"},
		{[]string{"-ca", "a"}, "scribe: tls: ca is set (a), but a server also needs crt and pk\n"},
		{[]string{"-crt", "a", "-pk", "b"}, "scribe: tls: crt: open a: no such file or directory\n"},
	} {
		if code, _, stderr := call(tc.args...); code != 2 || stderr != tc.want {
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
	code, _, stderr := call("-host", "127.0.0.1", "-port", port, "-path", filepath.Join(t.TempDir(), "logs"))
	if want := "scribe: can't listen on 127.0.0.1:" + port + ": another process already does\n"; code != 1 || stderr != want {
		t.Errorf("code %d\n got %s\nwant %s", code, stderr, want)
	}
}

// TestLedgerIsRead: a Scribe whose ledger is being read waits for the end of that, until it is stopped.
func TestLedgerIsRead(t *testing.T) {
	root := filepath.Join(t.TempDir(), "logs")
	stopped := func() (code int, stderr string) {
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		var errs bytes.Buffer
		code = run(cli.Host{
			Args: []string{"-host", "127.0.0.1", "-port", "0", "-path", root, "-ops", "off"}, Signals: signals,
			LookupEnv: func(string) (string, bool) { return "", false }, Stdout: io.Discard, Stderr: &errs,
		})
		return code, errs.String()
	}
	if code, stderr := stopped(); code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	file, _, err := boltfile.OpenForReading(filepath.Join(root, ".scribe", "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if code, stderr := stopped(); code != 0 || strings.Contains(stderr, "scribe: ") {
		t.Errorf("code %d: %s", code, stderr)
	}
}
