package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/transport/testpki"
)

func callAll(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(cli.Host{Args: args, LookupEnv: lookup(nil), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestValidate(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := `data      DIR/data, would be made
listen    any port of all addresses, in the clear
scribes   checked every 5s
failover  never

all right
`
	code, stdout, stderr := callAll("validate", "-data", "data", "-port", "0", "-failover-after", "-1")
	if code != 0 || stderr != "" || strings.ReplaceAll(stdout, dir, "DIR") != want {
		t.Errorf("code %d, stderr %s\n%s", code, stderr, stdout)
	}
	if _, err := os.Stat("data"); err == nil {
		t.Error("the folder was made")
	}
	if err := os.WriteFile("data", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := callAll("validate", "-data", "data"); code != 1 ||
		stderr != "scribe-mediator: the settings are right, but the mediator could not work: "+filepath.Join(dir, "data")+" is no folder\n" {
		t.Errorf("code %d: %s", code, stderr)
	}
}

// TestUnknownKeys: each is answered with its line and the nearest name, in tables too.
func TestUnknownKeys(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"\nfailover_aftr = \"1m\"": `m.toml:2: unknown key "failover_aftr"; did you mean "failover_after"?`,
		"[tls]\nprivate = \"a\"":   `m.toml:2: unknown key "private" in [tls]; known are ca, crt, pk, one_way`,
		"[tls]\nport = 1":          `m.toml:2: unknown key "port" in [tls]; it belongs above the first [table]`,
	} {
		if err := os.WriteFile("m.toml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"validate", "print-config"} {
			if code, stdout, stderr := callAll(command, "-config", "m.toml"); code != 2 || stdout != "" || stderr != "scribe-mediator: "+want+"\n" {
				t.Errorf("code %d\n got %s\nwant %s", code, stderr, want)
			}
		}
	}
}

// TestCertificatesAreLoaded: they must exist, and belong together.
func TestCertificatesAreLoaded(t *testing.T) {
	ca := testpki.NewCA(t)
	a, b := ca.Issue("localhost"), ca.Issue("localhost")
	data := filepath.Join(t.TempDir(), "data")
	for _, tc := range []struct {
		key, want string
		code      int
	}{
		{a.Key, "with TLS; clients need a certificate\n          warning: the certificate " + a.Cert + " is good until ", 0}, // a day in tests
		{b.Key, "private key does not match public key", 2},
		{"none.key", "tls: pk: open none.key: no such file or directory", 2},
	} {
		code, stdout, stderr := callAll("validate", "-data", data, "-ca", ca.File, "-crt", a.Cert, "-pk", tc.key)
		if code != tc.code || !strings.Contains(stdout+stderr, tc.want) {
			t.Errorf("code %d: %s%s", code, stdout, stderr)
		}
	}
}
