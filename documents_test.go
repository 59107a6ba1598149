package logscribe_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestCommandsAreRun holds each block of commands in the documentation against the list in e2e/documents_test.go, whose test
// runs them. It is here for those who change a page and no code.
func TestCommandsAreRun(t *testing.T) {
	const list = "e2e/documents_test.go"
	code, err := os.ReadFile(filepath.FromSlash(list))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?m)^```sh\n(.*)$")
	comment := regexp.MustCompile(`(^|\s+)#.*$`)
	for _, page := range append(pages, "README.md", "CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			first := strings.TrimSpace(comment.ReplaceAllString(m[1], ""))
			if !strings.Contains(string(code), strconv.Quote(first)) && !strings.Contains(string(code), "`"+first+"`") {
				t.Errorf("%s: %s does not say how the block is run that begins with: %s", page, list, first)
			}
		}
	}
}
