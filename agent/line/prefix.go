package line

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// timeFormat is RFC 3339 in UTC, to the millisecond, and of one length.
const timeFormat = "2006-01-02T15:04:05.000Z"

// prefix is a template: texts and placeholders by turns, beginning with a text.
type prefix []string

// placeholders of a prefix; those of a file are not known of standard input.
var placeholders = map[string]func(s *Source, now time.Time) string{
	"host": func(s *Source, _ time.Time) string { return s.Host },
	"log":  func(s *Source, _ time.Time) string { return s.Log },
	"time": func(_ *Source, now time.Time) string { return now.UTC().Format(timeFormat) },
	"file": func(s *Source, _ time.Time) string { return s.File },
	"name": func(s *Source, _ time.Time) string { return filepath.Base(s.File) },
	"dir":  func(s *Source, _ time.Time) string { return filepath.Base(filepath.Dir(s.File)) },
	"stem": func(s *Source, _ time.Time) string {
		name := filepath.Base(s.File)
		if stem := strings.TrimSuffix(name, filepath.Ext(name)); stem != "" {
			return stem
		}
		return name // .profile is a name, not an extension
	},
}

// CheckPrefix checks the prefix of a file's lines.
func CheckPrefix(text string) error {
	_, err := parsePrefix(text)
	return err
}

// CheckStreamPrefix checks the prefix of lines that come from no file.
func CheckStreamPrefix(text string) error {
	p, err := parsePrefix(text)
	for i := 1; i < len(p); i += 2 {
		switch p[i] {
		case "file", "name", "dir", "stem":
			return fmt.Errorf("%q: standard input has no {%s}: use {host}, {log} or {time}", text, p[i])
		}
	}
	return err
}

func parsePrefix(text string) (prefix, error) {
	if err := checkText(text, maxPrefix); err != nil {
		return nil, err
	}
	var p prefix
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("%q has a } without a {", text)
		}
		p = append(p, before)
		if !found {
			break
		}
		name, behind, found := strings.Cut(after, "}")
		if !found {
			return nil, fmt.Errorf("%q has a { without a }", text)
		}
		if placeholders[name] == nil {
			return nil, fmt.Errorf("%q: unknown placeholder {%s}: use {time}, {host}, {log}, {file}, {name}, {stem} or {dir}", text, name)
		}
		p = append(p, name)
		rest = behind
	}
	return p, nil
}

// append appends the prefix of a source's lines. A path may hold a line break; the prefix never does.
func (p prefix) append(dst []byte, s *Source, now time.Time) []byte {
	for i, part := range p {
		if i%2 == 1 {
			part = strings.ReplaceAll(placeholders[part](s, now), "\n", "?")
		}
		dst = append(dst, part...)
	}
	return dst
}
