package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/agent"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/mediator"
	"github.com/logscribe/logscribe/scribe"
)

// runs runs a program until the test ends, or stop is called.
func runs(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func logger(t *testing.T, name string) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil)).With("program", name)
}

func startMediator(t *testing.T) string {
	t.Helper()
	m, err := mediator.New(mediator.Config{
		Listen: "127.0.0.1:0", DataDir: t.TempDir(), HealthInterval: 200 * time.Millisecond, Software: "v1.2.3", Logger: logger(t, "mediator"),
	})
	if err != nil {
		t.Fatal(err)
	}
	runs(t, m.Run)
	return m.Addr().String()
}

func startScribe(t *testing.T, id string, mediators ...string) (address string, stop func()) {
	t.Helper()
	s, err := scribe.New(scribe.Config{
		Listen: "127.0.0.1:0", Path: t.TempDir(), ID: id, Mediators: mediators, Software: "v1.2.2", Logger: logger(t, id),
		ReloadError: func() string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Addr().String(), runs(t, s.Run)
}

func startAgent(t *testing.T, name, file string, mediators ...string) (stop func()) {
	t.Helper()
	a, err := agent.New(agent.Config{
		Name: name, Mediators: mediators, Software: "v1.2.1", Logger: logger(t, name), DrainTimeout: time.Second,
		Spool: agent.SpoolConfig{Path: filepath.Join(t.TempDir(), "spool.db"), WhenFull: "block", Compression: "s2"},
		Files: []agent.FileConfig{{Paths: []string{file}, Log: "web/{stem}", Start: "beginning"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return runs(t, a.Run)
}

// ask calls scribectl and reads its JSON.
func ask[V any](t *testing.T, args ...string) (v V) {
	t.Helper()
	code, stdout, stderr := call(append(args, "-o", "json")...)
	if code != 0 || stderr != "" {
		t.Fatalf("%q: code %d, stderr %s", args, code, stderr)
	}
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return v
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func appendTo(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAllAreTold follows lines through real programs.
func TestAllAreTold(t *testing.T) {
	m := startMediator(t)
	s1, _ := startScribe(t, "s1", m)
	_, stop2 := startScribe(t, "s2", m)
	file := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, file, "one\ntwo\n")
	stopAgent := startAgent(t, "web-1", file, m)

	var o overview
	eventually(t, "two lines to be counted everywhere", func() bool {
		o = ask[overview](t, "-mediator", m, "status")
		return len(o.Scribes) == 2 && len(o.Agents) == 1 && o.Agents[0].Delivered == 2 && o.Scribes[0].Lines+o.Scribes[1].Lines == 2
	})
	if len(o.Mediators) != 1 || o.Mediators[0].Address != m || o.Mediators[0].Version != "v1.2.3" || o.Mediators[0].Logs != 1 || o.Mediators[0].Requests == 0 ||
		o.Mediators[0].RequestRate == nil {
		t.Errorf("mediators: %+v", o.Mediators)
	}
	for _, s := range o.Scribes {
		if s.Health != "up" || s.Version != "v1.2.2" || s.VolumeTotal == 0 || s.VolumeFree == 0 || s.Root == "" || s.ByteRate == nil || s.Bytes != 4*s.Lines || s.Owned != s.Lines/2 {
			t.Errorf("Scribe: %+v", s)
		}
	}
	a := o.Agents[0]
	if a.Name != "web-1" || a.State != "ok" || a.Version != "v1.2.1" || a.ReadLines != 2 || a.ReadBytes != 8 || a.Bytes != 8 || a.Backlog != 0 || a.Lost != 0 || a.Files != 1 {
		t.Errorf("agent: %+v", a)
	}

	list := ask[logList](t, "-mediator", m, "logs")
	if len(list.Logs) != 1 || list.Found != 1 {
		t.Fatalf("logs: %+v", list)
	}
	l := list.Logs[0]
	if l.Log != "web/access" || l.Owner != "s1" && l.Owner != "s2" || l.Epoch != 1 || *l.Size != 8 || l.Lines != 2 || l.Written == nil || l.ByteRate == nil || *l.ByteRate != 0 {
		t.Errorf("log: %+v", l)
	}
	if list := ask[logList](t, "-mediator", m, "logs", "-match", "other/*"); list.Found != 0 {
		t.Errorf("logs: %+v", list)
	}

	// A single Scribe, and several at once.
	o = ask[overview](t, "-mediator", s1, "status")
	if len(o.Mediators) != 0 || len(o.Scribes) != 1 || o.Scribes[0].ID != "s1" || o.Scribes[0].Address != s1 {
		t.Errorf("Scribe alone: %+v", o)
	}
	dead := deadAddress(t)
	o = ask[overview](t, "-mediator", dead+","+m+","+s1, "status")
	if len(o.Mediators) != 1 || len(o.Scribes) != 2 || len(o.Agents) != 1 || len(o.Unreached) != 1 || o.Unreached[0].Address != dead {
		t.Errorf("several: %+v", o)
	}

	v := ask[versions](t, "-mediator", m, "version")
	if want := []program{
		{"scribectl", "", cli.Version()}, {"scribe-mediator", m, "v1.2.3"}, {"scribe", "s1", "v1.2.2"}, {"scribe", "s2", "v1.2.2"}, {"scribe-agent", "web-1", "v1.2.1"},
	}; len(v.Programs) != len(want) {
		t.Errorf("versions: %+v", v)
	} else {
		for i := range want {
			if v.Programs[i] != want[i] {
				t.Errorf("got %+v, want %+v", v.Programs[i], want[i])
			}
		}
	}

	// An agent that has stopped says so, a Scribe that has is down.
	stopAgent()
	stop2()
	eventually(t, "the end of both to be told", func() bool {
		o = ask[overview](t, "-mediator", m, "status")
		return o.Agents[0].State == "stopped" && o.Scribes[1].Health == "down"
	})
	if s := o.Scribes[1]; s.Trouble == "" || s.Down == 0 || s.Version != "v1.2.2" || s.Owned != 1-o.Scribes[0].Owned {
		t.Errorf("Scribe: %+v", s)
	}
	if list := ask[logList](t, "-mediator", m, "logs"); list.Found != 1 || list.Logs[0].Owner != l.Owner || (list.Logs[0].Size == nil) != (l.Owner == "s2") {
		t.Errorf("logs: %+v", list)
	}
}

// TestTopWithoutTerminal prints one view at each look.
func TestTopWithoutTerminal(t *testing.T) {
	s, _ := startScribe(t, "s1")
	file := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, file, "one\ntwo\n")
	startAgent(t, "web-1", file, s)
	code, stdout, stderr := call("-mediator", s, "top", "-count", "2", "-every", "100ms")
	if code != 0 || stderr != "" || strings.Contains(stdout, "\x1b") || strings.Count(stdout, "SCRIBE ") != 2 {
		t.Errorf("code %d, stderr %s\n%s", code, stderr, stdout)
	}
	code, stdout, _ = call("-mediator", s, "top", "-count", "3", "-every", "100ms", "-o", "json")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || len(lines) != 3 {
		t.Fatalf("code %d\n%s", code, stdout)
	}
	var v topView
	if err := json.Unmarshal([]byte(lines[2]), &v); err != nil || len(v.Scribes) != 1 || len(v.Agents) != 1 || v.Scribes[0].ByteRate == nil {
		t.Errorf("%v: %s", err, lines[2])
	}
}

func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestNobodyAnswers(t *testing.T) {
	dead := deadAddress(t)
	for _, command := range []string{"status", "logs", "top", "version"} {
		want := "scribectl: no mediator or Scribe answers: " + dead + ": dial tcp " + dead + ": connect: connection refused (-mediator HOST:PORT says whom to ask)\n"
		if code, stdout, stderr := call("-mediator", dead, command); code != 1 || stderr != want || (stdout != "") != (command == "version") {
			t.Errorf("%s: code %d\n got %s\nwant %s%s", command, code, stderr, want, stdout)
		}
	}
}
