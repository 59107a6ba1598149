package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOwnForms runs our own programs once in each form with few lines, and finds everything in the report.
func TestOwnForms(t *testing.T) {
	dir, profiles := t.TempDir(), t.TempDir()
	file, picture := filepath.Join(dir, "report.json"), filepath.Join(dir, "plot.svg")
	want := []string{"copy", "plain", "rotated", "zstd", "latency-sync", "latency", "scale-4-2", "far", "backlog", "slow", "stream"}
	b, err := parse([]string{"-dir", dir, "-run", strings.Join(want, "|"), "-runs", "1", "-lines", "20000",
		"-latency-lines", "5", "-idle", "10ms", "-stream", "100ms", "-slow", "100ms", "-profile", profiles, "-json", file, "-svg", picture}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out, progress strings.Builder
	if err := b.main(t.Context(), &out, &progress); err != nil {
		t.Fatalf("%v\n%s%s", err, progress.String(), out.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.Forms {
		names = append(names, f.Name)
		for _, u := range f.Runs[0].Programs {
			if u.CPU <= 0 || u.Peak <= 0 {
				t.Errorf("%s: %+v cost nothing", f.Name, u)
			}
		}
		switch f.Name {
		case "latency-sync":
			if l := f.Runs[0].Latency; l.P50 <= 0 || l.Max < l.P50 || l.Lines != 5 {
				t.Errorf("%+v", f.Runs[0])
			}
		case "latency":
			if l := f.Runs[0].Latency; l.P50 <= 0 || l.Max < l.P50 || f.Runs[0].Lines != 6 {
				t.Errorf("%+v", f.Runs[0])
			}
		case "slow":
			if r := f.Runs[0]; r.Lines != 2 || len(r.Load.Programs) != 3 || r.SpoolSize <= 0 {
				t.Errorf("%+v", r)
			}
		case "stream":
			if l := f.Runs[0].Load; f.Runs[0].Lines != 1001 || len(l.Programs) != 3 {
				t.Errorf("%+v", f.Runs[0])
			}
		default:
			if f.Runs[0].Seconds <= 0 || f.Runs[0].Lines != 20000 || f.Runs[0].Bytes != r.Input.Bytes {
				t.Errorf("%s: %+v", f.Name, f.Runs[0])
			}
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("there are %v, want %v", names, want)
	}
	if f := r.of("backlog"); f != nil && f.Runs[0].Spool <= 0 {
		t.Error("the spool was not measured")
	}
	if len(r.of("scale-4-2").Runs[0].Programs) != 3 {
		t.Errorf("%+v", r.of("scale-4-2").Runs[0].Programs)
	}
	for _, program := range []string{"agent1", "mediator1", "scribe1"} {
		text, err := os.ReadFile(filepath.Join(profiles, "plain-"+program+".pprof"))
		if err != nil || !strings.HasPrefix(string(text), "\x1f\x8b") {
			t.Errorf("the profile of %s begins with %.10q, %v", program, text, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "logscribe-bench-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(picture); err != nil {
		t.Error(err)
	}
}

func TestChosen(t *testing.T) {
	forms := []form{{name: "plain", standard: true}, {name: "plain-more"}, {name: "copy", standard: true}}
	for expression, want := range map[string]string{"": "plain copy", "plain": "plain", "plain.*": "plain plain-more", "copy|plain": "plain copy", "x": "", "(": ""} {
		some, err := chosen(forms, expression)
		var names []string
		for _, f := range some {
			names = append(names, f.name)
		}
		if got := strings.Join(names, " "); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", expression, got, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, args := range []string{"-runs 0", "-lines 0", "-nothing", "word", "-latency-lines -1"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}
