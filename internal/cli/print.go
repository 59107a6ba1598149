package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// printConfig is the command that every program has: it prints the settings in force, and does nothing else.
const printConfig = "print-config"

// commentColumn is where the origin of a value stands, if the value is not longer.
const commentColumn = 44

// writeConfig writes the settings in force as a TOML file, with the origin of each. As -config of the same program it
// leads to the same settings, except for what has no key: that stands in comments.
func (p *Program) writeConfig(out io.Writer) error {
	w := &configWriter{}
	w.linef("# The settings of %s, as they are in force, and where each comes from.", versionLine(p.name))
	if p.file != "" {
		w.linef("# The file is %s", p.file)
	}
	w.linef("# What stands behind a # at the beginning of a line is not set.")
	w.keyless(p.list)
	w.keys(&p.Settings, "")
	for _, t := range p.tables {
		for _, s := range p.withFlags(t) {
			w.linef("\n[[%s]]", t.name)
			w.keys(s, t.name)
			w.tables(s, t.name)
		}
	}
	_, err := out.Write(w.b.Bytes())
	return err
}

// withFlags returns what the tables of an array in the file say, or what flags say in their place.
func (p *Program) withFlags(t *Table) []*Settings {
	made := t.made
	for _, s := range p.list {
		if s.table != t.name || s.from == "" {
			continue
		}
		if len(made) == 0 {
			fresh := &Settings{}
			t.register(fresh)
			made = []*Settings{fresh}
		}
		if in := made[0].byKey(s.tableKey); in != nil {
			in.from, in.texts = s.from, s.texts
		}
	}
	return made
}

type configWriter struct{ b bytes.Buffer }

func (w *configWriter) linef(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

// keyless writes what is set and has no key in the file.
func (w *configWriter) keyless(settings []*Setting) {
	for _, s := range settings {
		if s.key == "" && s.table == "" && s.from != "" && s.flag != "config" {
			w.linef("# -%s %s stands in no file (%s)", s.flag, strings.Join(s.texts, ","), s.origin())
		}
	}
}

// keys writes the settings, in the order of their tables; array is the one whose table they are, "" for the whole file.
func (w *configWriter) keys(s *Settings, array string) {
	var tables []string
	for _, st := range s.list {
		if table, name, _ := cutLast(st.key); name != "" && !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	slices.SortStableFunc(tables, func(a, b string) int { return min(len(a), 1) - min(len(b), 1) }) // those of no table come first
	for _, table := range tables {
		var lines []string
		isSet := array == ""
		for _, st := range s.list {
			if in, name, _ := cutLast(st.key); name != "" && in == table {
				lines = append(lines, st.line(name, array != ""))
				isSet = isSet || st.from != ""
			}
		}
		switch {
		case table == "":
		case !isSet:
			continue
		case array == "":
			w.linef("\n[%s]", table)
		default:
			w.linef("[%s.%s]", array, table)
		}
		for _, l := range lines {
			w.linef("%s", l)
		}
	}
}

// tables writes the arrays within an array's table.
func (w *configWriter) tables(s *Settings, array string) {
	for _, t := range s.tables {
		name := array + "." + t.name
		for _, inner := range t.made {
			w.linef("[[%s]]", name)
			w.keys(inner, name)
			w.tables(inner, name)
		}
	}
}

// line returns the line of a setting. In an array's tables a default is not the same as a value, as it may be inherited or
// go with another key only; so it is no more than a comment.
func (s *Setting) line(name string, inArray bool) string {
	texts, origin, mark := s.texts, s.origin(), ""
	switch {
	case s.from != "":
	case s.value != nil && s.value() != "" && s.value() != s.def:
		texts, origin = []string{s.value()}, "found out"
	case len(texts) == 0:
		mark, origin = "#", "not set"
	case inArray || s.loose:
		mark = "#"
	}
	hidden := make([]string, len(texts))
	for i, t := range texts {
		hidden[i] = hide(t)
	}
	if !slices.Equal(texts, hidden) {
		mark, origin = "#", origin+"; what is secret in it is hidden"
	}
	return fmt.Sprintf("%-*s # %s", commentColumn-1, mark+s.toml(name, hidden), origin)
}

// toml returns the setting as TOML has it.
func (s *Setting) toml(name string, texts []string) string {
	switch {
	case s.kind.list && len(texts) == 0:
		return name + " = []"
	case len(texts) == 0:
		return name + ` = ""`
	case s.kind.bare:
		return name + " = " + texts[0]
	}
	var value any = texts[0]
	if s.kind.list {
		value = texts
	}
	text, err := toml.Marshal(map[string]any{name: value})
	if err != nil {
		panic(err) // texts and arrays of texts can be written
	}
	return strings.TrimSpace(string(text))
}

// origin says where the value came from.
func (s *Setting) origin() string {
	switch {
	case s.from == "":
		return "default"
	case s.from == s.env:
		return "environment " + s.from
	case strings.HasPrefix(s.from, "-"):
		return "flag " + s.from
	}
	return strings.TrimSuffix(s.from, ": "+s.key)
}

// hide returns a value without what must not be shown. No setting asks for a secret, as certificates are named by their
// files; but what people write in the wrong place may be one.
func hide(text string) string {
	if strings.Contains(text, "PRIVATE KEY") {
		return "…"
	}
	if u, err := url.Parse(text); err == nil && u.User != nil {
		return u.Redacted()
	}
	return text
}
