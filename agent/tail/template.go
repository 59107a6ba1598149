package tail

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/logscribe/logscribe/internal/logname"
)

// template is a log's name with placeholders.
type template struct {
	text string
	host string
}

// parseTemplate checks all of the template that does not depend on the file.
func parseTemplate(text, host string) (template, error) {
	t := template{text: text, host: host}
	sample, err := t.expand("/dir/name.log")
	if err != nil {
		return t, err
	}
	if err := logname.Check(sample); err != nil {
		return t, fmt.Errorf("log template %q: %w", text, err)
	}
	return t, nil
}

// render returns the name of the log that the file at path feeds.
func (t template) render(path string) (string, error) {
	name, err := t.expand(path)
	if err != nil {
		return "", err
	}
	return name, logname.Check(name)
}

func (t template) expand(path string) (string, error) {
	if !strings.ContainsAny(t.text, "{}") {
		return t.text, nil // and no copy of it for each of very many files
	}
	var out strings.Builder
	rest := t.text
	for {
		before, after, ok := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return "", fmt.Errorf("log template %q has a } without a {", t.text)
		}
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		name, after, ok := strings.Cut(after, "}")
		if !ok {
			return "", fmt.Errorf("log template %q has a { without a }", t.text)
		}
		value, err := t.value(name, path)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		rest = after
	}
}

func (t template) value(placeholder, path string) (string, error) {
	name := filepath.Base(path)
	switch placeholder {
	case "host":
		return t.host, nil
	case "name":
		return name, nil
	case "dir":
		return filepath.Base(filepath.Dir(path)), nil
	case "stem":
		if stem := strings.TrimSuffix(name, filepath.Ext(name)); stem != "" {
			return stem, nil
		}
		return name, nil // .profile is a name, not an extension
	}
	return "", fmt.Errorf("log template %q: unknown placeholder {%s}: use {host}, {stem}, {name} or {dir}", t.text, placeholder)
}
