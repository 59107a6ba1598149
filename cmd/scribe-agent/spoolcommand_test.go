package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/spool"
)

// spooled makes the spool s.db with lines of two logs, and leaves it.
func spooled(t *testing.T) {
	t.Helper()
	s, err := spool.Open("s.db", spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, lines := range []string{"one\ntwo\n", "three\n"} {
		batch := spool.Batch{
			Drafts:      []block.Draft{block.NewDraft(nil, "web/access", []byte(lines), block.None), block.NewDraft(nil, "web/error", []byte("bad\n"), block.S2)},
			Checkpoints: []spool.Checkpoint{{Key: "x", Value: []byte("y")}},
		}
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
}

// damage swaps the file's page of that content with zeros.
func damage(t *testing.T, content string) {
	t.Helper()
	file, err := os.ReadFile("s.db")
	if err != nil {
		t.Fatal(err)
	}
	for at := bytes.Index(file, []byte(content)); at >= 0; at = bytes.Index(file, []byte(content)) {
		clear(file[at/4096*4096 : at/4096*4096+4096])
	}
	writeFile(t, "s.db", string(file))
}

func TestSpoolInspect(t *testing.T) {
	t.Chdir(t.TempDir())
	spooled(t)
	code, stdout, stderr := call(t, "", "", "spool", "inspect", "s.db")
	for _, want := range []string{"s.db, layout 4", "checkpoints  1", "lines        5 of 2 logs", "web/access  3 ", "web/error   2 "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if code != 0 || stderr != "" || t.Failed() {
		t.Errorf("code %d: %s\n%s", code, stderr, stdout)
	}
	_, stdout, _ = call(t, "", "", "spool", "inspect", "-json", "s.db")
	var r spool.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || len(r.Logs) != 2 || r.Logs[0].Next != 4 || r.Logs[0].Stored == nil {
		t.Errorf("%v: %s", err, stdout)
	}
}

func TestSpoolInUse(t *testing.T) {
	t.Chdir(t.TempDir())
	spooled(t)
	s, err := spool.Open("s.db", spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	code, stdout, stderr := call(t, "", "", "spool", "inspect", "s.db")
	if code != 0 || !strings.Contains(stdout, "in use") || !strings.Contains(stdout, "web/access  3 ") {
		t.Errorf("code %d: %s%s", code, stderr, stdout)
	}
	for _, verb := range []string{"verify", "repair", "export"} {
		code, _, stderr := call(t, "", "", "spool", verb, "s.db")
		if code != 1 || !strings.HasPrefix(stderr, "scribe-agent: open spool s.db: an agent holds the spool") || !strings.HasSuffix(stderr, "; stop it first\n") {
			t.Errorf("%s: code %d: %s", verb, code, stderr)
		}
	}
}

// TestSpoolIsRead: commands that read go on beside each other, and a repair, or an agent, waits for their end.
func TestSpoolIsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	spooled(t)
	file, _, err := boltfile.OpenForReading("s.db")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"inspect", "verify", "export"} {
		code, stdout, stderr := call(t, "", "", "spool", verb, "s.db")
		if code != 0 || stderr != "" || strings.Contains(stdout, "in use") {
			t.Errorf("%s: code %d: %s%s", verb, code, stderr, stdout)
		}
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		if code, _, stderr := call(t, "", "", "spool", "repair", "s.db"); code != 0 {
			t.Errorf("repair: code %d: %s", code, stderr)
		}
	}()
	select {
	case <-waited:
		t.Error("it did not wait")
	case <-time.After(300 * time.Millisecond):
	}
	file.Close()
	<-waited
}

func TestSpoolExport(t *testing.T) {
	t.Chdir(t.TempDir())
	spooled(t)
	if code, stdout, stderr := call(t, "", "", "spool", "export", "s.db", "-log", "web/access"); code != 0 || stdout != "one\ntwo\nthree\n" {
		t.Errorf("code %d: %s%s", code, stderr, stdout)
	}
	if code, stdout, stderr := call(t, "", "", "spool", "export", "s.db"); code != 0 || stdout != "one\ntwo\nthree\nbad\nbad\n" {
		t.Errorf("code %d: %s%s", code, stderr, stdout)
	}
	if code, _, stderr := call(t, "", "", "spool", "export", "-to", "d", "s.db"); code != 0 {
		t.Errorf("code %d: %s", code, stderr)
	}
	got, err := os.ReadFile(filepath.Join("d", "web", "access.log"))
	if err != nil || string(got) != "one\ntwo\nthree\n" {
		t.Errorf("%q, %v", got, err)
	}
	if code, _, stderr := call(t, "", "", "spool", "export", "-to", "d", "s.db"); code != 2 || !strings.Contains(stderr, "d/web/access.log is there already") {
		t.Errorf("code %d: %s", code, stderr)
	}
	if code, _, stderr := call(t, "", "", "spool", "export", "s.db", "-log", "x"); code != 1 || !strings.Contains(stderr, `has no log "x"; it has: web/access web/error`) {
		t.Errorf("code %d: %s", code, stderr)
	}
}

// TestDamagedSpoolIsRefusedAndRepaired goes the way of an operator who has chosen nothing.
func TestDamagedSpoolIsRefusedAndRepaired(t *testing.T) {
	t.Chdir(t.TempDir())
	spooled(t)
	if code, stdout, stderr := call(t, "", "", "spool", "verify", "s.db"); code != 0 || stdout != "sound: 5 lines of 2 logs wait in it\n" {
		t.Errorf("code %d: %s%s", code, stderr, stdout)
	}
	damage(t, "three")
	code, _, stderr := call(t, "", "", "-mediator", "127.0.0.1:1", "-log", "a", "-spool", "s.db")
	if code != 1 || !strings.HasPrefix(stderr, "scribe-agent: open spool s.db: it is damaged: ") ||
		!strings.Contains(stderr, "scribe-agent spool repair s.db") || !strings.Contains(stderr, "mv s.db s.db.damaged") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("code %d: %s", code, stderr)
	}
	if code, stdout, stderr := call(t, "", "", "spool", "verify", "s.db"); code != 1 || !strings.Contains(stdout, " it calls itself page 0") {
		t.Errorf("code %d: %s%s", code, stderr, stdout)
	}
	if code, stdout, stderr := call(t, "", "", "spool", "repair", "s.db"); code != 0 || !strings.Contains(stdout, "repaired; the damaged file is s.db.damaged-") {
		t.Errorf("code %d: %s%s", code, stderr, stdout)
	}
	if code, stdout, stderr := call(t, "", "", "spool", "verify", "s.db"); code != 0 {
		t.Errorf("code %d: %s%s", code, stderr, stdout)
	}
	if files, err := filepath.Glob("s.db.damaged-*"); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestWhenDamaged(t *testing.T) {
	for remedy, want := range map[string]string{"repair": "it was repaired", "set_aside": "it was set aside"} {
		t.Run(remedy, func(t *testing.T) {
			t.Chdir(t.TempDir())
			spooled(t)
			damage(t, "three")
			code, _, stderr := call(t, "new\n", "", "-mediator", "127.0.0.1:1", "-log", "a", "-spool", "s.db", "-drain-timeout", "10ms", "-when-damaged", remedy)
			if code != 1 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "not delivered yet") {
				t.Errorf("code %d: %s", code, stderr)
			}
			if files, err := filepath.Glob("s.db.damaged-*"); err != nil || len(files) != 1 {
				t.Errorf("%v, %v", files, err)
			}
		})
	}
}

func TestSpoolMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]string{
		"spool":                      "spool needs an argument: spool inspect|verify|repair|export FILE (see scribe-agent -h)",
		"spool look s.db":            "spool look: use spool inspect, verify, repair or export",
		"spool verify":               "spool verify: which file? give the spool's path",
		"spool verify a b":           `spool verify: unexpected argument "b" after the file`,
		"spool export -json s.db":    "-json does not go with export, which writes lines",
		"spool verify -to d s.db":    "-to goes with export only",
		"-json -mediator a:1 -log a": "-json goes with scribe-agent spool and loss only",
		"-to d -mediator a:1 -log a": "-to goes with scribe-agent spool only",
	} {
		if code, _, stderr := call(t, "", "", strings.Fields(args)...); code != 2 || stderr != "scribe-agent: "+want+"\n" {
			t.Errorf("%s: code %d: %s", args, code, stderr)
		}
	}
	if code, _, stderr := call(t, "", "", "spool", "inspect", "none.db"); code != 1 || !strings.Contains(stderr, "none.db") {
		t.Errorf("code %d: %s", code, stderr)
	}
}
