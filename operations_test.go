package logscribe_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMessagesOfOperations holds the table of troubles in docs/operations.md against the code: each message that it quotes is
// one of a program, each metric is served, and each setting exists.
func TestMessagesOfOperations(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := os.ReadFile(filepath.Join("docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "\n| you see | and the metric |")
	if !ok {
		t.Fatal("there is no table of troubles")
	}
	code := messagesOf(t)
	rows := 0
	quoted := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if strings.HasPrefix(line, "| ---") || len(cells) < 5 && rows == 0 {
			continue
		}
		if len(cells) < 5 {
			break
		}
		rows++
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			if text := m[1]; strings.Contains(text, " ") && !strings.Contains(code, text) {
				t.Errorf("no program says: %s", text)
			}
		}
		for _, m := range regexp.MustCompile(`(?:logscribe|…)_\w+`).FindAllString(cells[2], -1) {
			if !strings.Contains(string(metrics), strings.TrimPrefix(m, "…")+"`") {
				t.Errorf("no program serves %s", m)
			}
		}
	}
	if rows < 20 {
		t.Errorf("only %d rows", rows)
	}
}

// messagesOf returns the code of the programs, without their tests, and with texts that are continued on the next line in one.
func messagesOf(t *testing.T) string {
	t.Helper()
	var code strings.Builder
	for _, folder := range []string{"agent", "cmd", "internal", "mediator", "scribe", "spool"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return regexp.MustCompile(`" \+\n\s*"`).ReplaceAllString(code.String(), "")
}
