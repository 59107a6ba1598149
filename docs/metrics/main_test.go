package main

import (
	"os"
	"strings"
	"testing"
)

func TestPageIsUpToDate(t *testing.T) {
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text() {
		t.Error("docs/metrics.md is not what the code serves: run go generate ./docs/metrics")
	}
}

// TestNames holds the metrics to one shape, beyond what Prometheus asks.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range programs() {
		for _, f := range p.families {
			if seen[f.Name] {
				t.Errorf("%s is there twice", f.Name)
			}
			seen[f.Name] = true
			if !strings.HasPrefix(f.Name, "logscribe_"+p.short+"_") {
				t.Errorf("%s is not named after %s", f.Name, p.name)
			}
			if !strings.HasSuffix(f.Help, ".") {
				t.Errorf("%s: %q is not a sentence", f.Name, f.Help)
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d metrics", len(seen))
	}
}
