package logscribe_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// proof is a link of docs/guarantees.md to a test: [TestName](../folder/file_test.go).
var proof = regexp.MustCompile(`\[(Test\w+|Fuzz\w+|Benchmark\w+)\]\(([^)]+)\)`)

// TestGuaranteesHaveTheirTests holds each test that docs/guarantees.md names against the file that it links to.
func TestGuaranteesHaveTheirTests(t *testing.T) {
	page := filepath.Join("docs", "guarantees.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	links := proof.FindAllStringSubmatch(string(text), -1)
	if len(links) == 0 {
		t.Fatalf("%s links to no test", page)
	}
	for _, link := range links {
		name, file := link[1], filepath.Join("docs", filepath.FromSlash(link[2]))
		code, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %s: %v", page, name, err)
			continue
		}
		if !strings.Contains(string(code), "\nfunc "+name+"(") {
			t.Errorf("%s: %s is not in %s", page, name, file)
		}
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| promise") && !strings.HasPrefix(line, "| no.") && !strings.HasPrefix(line, "| ---") && !proof.MatchString(line) {
			t.Errorf("%s:%d: a promise without a test: %s", page, i+1, line)
		}
	}
}
