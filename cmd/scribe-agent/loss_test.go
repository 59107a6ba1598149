package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/spool"
)

// lost makes the spool s.db with some losses.
func lost(t *testing.T, losses ...spool.Loss) {
	t.Helper()
	s, err := spool.Open("s.db", spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, l := range losses {
		if err := s.Append(t.Context(), spool.Batch{Losses: []spool.Loss{l}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingWasLost(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := call(t, "", "", "loss", "s.db"); code != 1 || stderr != "scribe-agent: there is no spool s.db: no agent has run with it yet\n" {
		t.Errorf("code %d: %s", code, stderr)
	}
	lost(t)
	if code, stdout, stderr := call(t, "", "", "loss", "-check", "s.db"); code != 0 || !strings.HasPrefix(stdout, "nothing was lost since 20") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("code %d: %s%s", code, stdout, stderr)
	}
	lost(t, spool.Loss{Log: "web/a", File: "/a.log", Reason: spool.InPieces, Lines: 3}, spool.Loss{Log: "web/a", File: "/a.log", Reason: spool.Unseen})
	code, stdout, stderr := call(t, "", "", "loss", "-check", "s.db")
	if code != 0 || !strings.HasPrefix(stdout, "nothing was lost since 20") || !strings.Contains(stdout, "web/a  /a.log  in_pieces  3      -      1") {
		t.Errorf("code %d: %s%s", code, stdout, stderr)
	}
}

// TestLoss asks for losses, of all logs and of some, while the spool is in use and when it is not.
func TestLoss(t *testing.T) {
	t.Chdir(t.TempDir())
	lost(t,
		spool.Loss{Log: "web/a", File: "/a\n.log", Reason: spool.Truncated, Bytes: 5000},
		spool.Loss{Log: "web/a", File: "/a\n.log", Reason: spool.Truncated, Bytes: 5000},
		spool.Loss{Log: "db/b", Reason: spool.SpoolFull, Lines: 7, Bytes: 70})
	for _, inUse := range []bool{false, true} {
		if inUse {
			s, err := spool.Open("s.db", spool.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
		}
		code, stdout, stderr := call(t, "", "", "loss", "s.db")
		for _, want := range []string{"db/b   -            spool_full  7      70B     1", `web/a  "/a\n.log"  truncated   -      10KB  2`, "lost: 7 lines, 10070B, 3 times since 20"} {
			if !strings.Contains(strings.Join(strings.Fields(stdout), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%q is missing", want)
			}
		}
		if code != 0 || stderr != "" || t.Failed() {
			t.Errorf("code %d: %s\n%s", code, stderr, stdout)
		}
		code, stdout, stderr = call(t, "", "", "loss", "-check", "-log", "web/*", "-json", "s.db")
		var r lossReport
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.InUse != inUse || len(r.Losses) != 1 || r.Losses[0].Bytes != 10_000 || r.Lost.Times != 2 {
			t.Errorf("%v: %s", err, stdout)
		}
		if code != 1 || stderr != "scribe-agent: spool s.db: lines were lost\n" {
			t.Errorf("code %d: %s", code, stderr)
		}
		if code, stdout, _ := call(t, "", "", "loss", "-check", "-log", "other", "s.db"); code != 0 || !strings.Contains(stdout, "nothing was lost") {
			t.Errorf("code %d: %s", code, stdout)
		}
	}
	if _, stdout, _ := call(t, "", "", "spool", "inspect", "s.db"); !strings.Contains(stdout, "lost         7 lines, 10070B, 3 times since 20") {
		t.Error(stdout)
	}
	writeFile(t, "agent.toml", "mediators = [\"127.0.0.1:1\"]\n[spool]\npath = \"s.db\"\n[[file]]\npaths = [\"/x.log\"]\nlog = \"x\"\n")
	if code, stdout, stderr := call(t, "", "", "loss", "-config", "agent.toml"); code != 0 || !strings.Contains(stdout, "spool_full") {
		t.Errorf("code %d: %s%s", code, stdout, stderr)
	}
}

func TestLossMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]string{
		"loss":                        "loss: of which spool? give its path, the agent's settings with -config FILE, or the -log of its standard input",
		"loss -log web/*":             "loss: of which spool? give its path, the agent's settings with -config FILE, or the -log of its standard input",
		"loss a b":                    `loss: unexpected argument "b" after the spool`,
		"loss -to d a":                "-to goes with spool export only",
		"loss -log [ a":               `-log: bad glob "["`,
		"-check -mediator a:1 -log a": "-check goes with scribe-agent loss only",
	} {
		if code, _, stderr := call(t, "", "", strings.Fields(args)...); code != 2 || stderr != "scribe-agent: "+want+"\n" {
			t.Errorf("%s: code %d: %s", args, code, stderr)
		}
	}
}

// TestLossBeforeCounting: what a repair has found is told, also where no agent has begun to count.
func TestLossBeforeCounting(t *testing.T) {
	r := lossReport{Losses: []spool.Loss{{Log: "web/a", Reason: spool.SpoolFull, Lines: 7, Times: 1}}}
	r.Lost = lostOf(r.Losses)
	got := r.text()
	for _, want := range []string{"losses are not counted yet: no agent of this release has used the spool\n", "spool_full", "\nlost: 7 lines, 0B, 1 times, as far"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}

// TestLossOfAService: the settings of the units that are shipped don't name the spool, and those of an instance no log.
func TestLossOfAService(t *testing.T) {
	examples, err := filepath.Abs("../../packaging/examples")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	lost(t, spool.Loss{Log: "web/access", Reason: spool.SpoolFull, Lines: 7})
	for name, args := range map[string][]string{
		"spool.db":              {"loss", "-config", filepath.Join(examples, "agent.toml")},
		"stdin-web%2Faccess.db": {"loss", "-config", filepath.Join(examples, "stdin.toml"), "-log", "web/access"},
	} {
		if code, _, stderr := call(t, "", "", args...); code != 1 || !strings.HasSuffix(stderr, "; that of a systemd service is /var/lib/scribe-agent/"+name+": give its path\n") {
			t.Errorf("%s: code %d: %s", name, code, stderr)
		}
		if err := os.Link("s.db", name); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		h := cli.Host{Args: args, LookupEnv: lookup(map[string]string{"STATE_DIRECTORY": "."}), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr}
		if code := run(h); code != 0 || !strings.Contains(stdout.String(), "lost: 7 lines") {
			t.Errorf("%s: code %d: %s%s", name, code, &stdout, &stderr)
		}
	}
}
