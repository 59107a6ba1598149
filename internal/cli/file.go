package cli

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// scope is where keys are looked up: the whole document, or one table of an array.
type scope struct {
	doc      *document
	settings *Settings
	root     *Settings // the whole document's
	in       string    // the array's name, "" for the document: "file", or "file.lines.redact" within such a table
}

// apply sets what the document gives. The error is that of the first wrong line.
func (d *document) apply(s *Settings) error {
	sc := scope{doc: d, settings: s, root: s}
	for i := range d.parts {
		p := &d.parts[i]
		if err := sc.applyAll(p.nodes(p.tree, nil, p.line)); err != nil {
			return err
		}
	}
	return nil
}

func (sc scope) applyAll(nodes []node) error {
	for _, n := range nodes {
		if err := sc.applyNode(n); err != nil {
			return err
		}
	}
	return nil
}

func (sc scope) applyNode(n node) error {
	key := toml.Key(n.path).String()
	_, isTable := n.value.(map[string]any)
	setting, tables := sc.settings.byKey(key), sc.settings.byTable(key)
	switch {
	case setting != nil:
		texts, err := setting.fromTOML(n.value)
		if err != nil {
			return sc.errorf(n, "%s: %w", key, err)
		}
		return setting.apply(sc.at(n)+": "+key, texts)
	case tables != nil && isTable && tables.last() != nil:
		return sc.applyMore(tables, n)
	case tables != nil:
		return sc.applyTables(tables, n)
	case !sc.settings.hasTable(key):
		return sc.unknown(n)
	case !isTable:
		return sc.errorf(n, "%s is one table: write [%s]", key, sc.full(key))
	default:
		return sc.applyAll(n.children()[0])
	}
}

// applyTables sets the settings of each table of an array.
func (sc scope) applyTables(t *Table, n node) error {
	if !isTables(n.value) {
		return sc.errorf(n, "%s is an array of tables: write [[%s]]", t.name, sc.full(t.name))
	}
	for _, nodes := range n.children() {
		s := &Settings{where: sc.at(n)}
		t.register(s)
		t.made = append(t.made, s)
		if err := sc.applyInner(t, n, nodes); err != nil {
			return err
		}
		for _, st := range s.list {
			if st.required && st.from == "" {
				return sc.errorf(n, "this [[%s]] has no %s", sc.full(t.name), st.key)
			}
		}
	}
	return nil
}

// applyMore sets what a table of its own, [file.lines], gives to the last table of an array, [[file]].
func (sc scope) applyMore(t *Table, n node) error { return sc.applyInner(t, n, n.children()[0]) }

// applyInner sets settings of the array's last table.
func (sc scope) applyInner(t *Table, n node, nodes []node) error {
	for i := range nodes {
		nodes[i].path = nodes[i].path[len(n.path):]
	}
	inner := scope{doc: sc.doc, settings: t.last(), root: sc.root, in: sc.full(t.name)}
	return inner.applyAll(nodes)
}

// full returns the name that a table, or a key's path, has in the whole document.
func (sc scope) full(name string) string {
	switch {
	case sc.in == "":
		return name
	case name == "":
		return sc.in
	}
	return sc.in + "." + name
}

// unknown returns the error about a key or table that there is not.
func (sc scope) unknown(n node) error {
	name, parent := n.path[len(n.path)-1], toml.Key(n.path[:len(n.path)-1]).String()
	if _, ok := n.value.(map[string]any); ok || isTables(n.value) {
		return sc.errorf(n, "unknown table [%s]%s", sc.full(toml.Key(n.path).String()), didYouMean(sc.nearestTable(n)))
	}
	section := ""
	switch {
	case parent != "":
		section = " in [" + sc.full(parent) + "]"
	case sc.in != "":
		section = " in [[" + sc.in + "]]"
	}
	if home, ok := sc.homeOf(name); ok {
		return sc.errorf(n, "unknown key %q%s; it belongs %s", name, section, home)
	}
	hint := ""
	if near := nearest(name, sc.settings.keysIn(parent)); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	} else if known := sc.settings.keysIn(parent); len(known) > 0 {
		hint = "; known are " + strings.Join(known, ", ")
	}
	return sc.errorf(n, "unknown key %q%s%s", name, section, hint)
}

// nearestTable returns the header of the table that an unknown one may mean.
func (sc scope) nearestTable(n node) string {
	headers := map[string]string{}
	var names []string
	for _, key := range sc.settings.names(keyOf) {
		if parent, _, ok := cutLast(key); ok {
			headers[parent] = "[" + sc.full(parent) + "]"
			names = append(names, parent)
		}
	}
	for _, t := range sc.settings.tables {
		headers[t.name] = "[[" + sc.full(t.name) + "]]"
		names = append(names, t.name)
	}
	return headers[nearest(toml.Key(n.path).String(), names)]
}

// homeOf says where a key of that name belongs: to the same array's table, or to the document.
func (sc scope) homeOf(name string) (string, bool) {
	for _, s := range []scope{sc, {settings: sc.root}} {
		for _, key := range s.settings.names(keyOf) {
			parent, last, _ := cutLast(key)
			switch {
			case last != name:
			case parent != "":
				return "in [" + s.full(parent) + "]", true
			case s.in != "":
				return "in [[" + s.in + "]]", true
			default:
				return "above the first [table]", true
			}
		}
	}
	return "", false
}

// keysIn returns the names of the keys in a table, "" for those outside of any.
func (s *Settings) keysIn(table string) []string {
	var names []string
	for _, key := range s.names(keyOf) {
		if parent, last, _ := cutLast(key); parent == table {
			names = append(names, last)
		}
	}
	return names
}

// hasTable says whether there are keys in the table.
func (s *Settings) hasTable(table string) bool { return len(s.keysIn(table)) > 0 }

// cutLast parts a key into its table and its name there.
func cutLast(key string) (table, name string, ok bool) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i], key[i+1:], true
	}
	return "", key, false
}

func (sc scope) at(n node) string { return fmt.Sprintf("%s:%d", sc.doc.name, n.line) }

func (sc scope) errorf(n node, format string, args ...any) error {
	return Usagef("%s: %w", sc.at(n), fmt.Errorf(format, args...))
}
