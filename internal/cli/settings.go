package cli

import "strings"

// Settings are the settings of a program, or of one table of its file.
type Settings struct {
	list   []*Setting
	tables []*Table
	group  string // of what is registered next
	env    string // the prefix of environment variables; "" for a table, whose settings have neither variable nor flag
	where  string // for Where
}

// Table is an array of tables, [[name]] in the file.
type Table struct {
	name     string
	register func(*Settings)
	live     bool
	made     []*Settings // of the tables in the file so far
}

// last returns the settings of the last table in the file so far; nil before the first.
func (t *Table) last() *Settings {
	if len(t.made) == 0 {
		return nil
	}
	return t.made[len(t.made)-1]
}

// Group starts a group of settings, which stand together in the usage text below the title.
func (s *Settings) Group(title string) { s.group = title }

// Table registers an array of tables, [[name]] in the file. For each of them register is called, in the file's order,
// to register the settings of the table, which are then set. Such a setting may have a table of its own within it: the
// key "lines.prefix" of a [[file]] stands in [file.lines]. So may an array: [[file.lines.redact]].
func (s *Settings) Table(name string, register func(*Settings)) *Table {
	t := &Table{name: name, register: register}
	s.tables = append(s.tables, t)
	return t
}

// Where returns where the table stands, as errors name it: "agent.toml:12".
func (s *Settings) Where() string { return s.where }

// add registers a setting and sets its default.
func (s *Settings) add(name, def, usage string, k kind, set func([]string) error) *Setting {
	st := &Setting{key: strings.ReplaceAll(name, "-", "_"), def: def, usage: usage, group: s.group, kind: k, set: set}
	if s.env != "" {
		st.flag, st.env = name, s.env+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	}
	if def != "" {
		st.texts = st.parts(def)
		if err := set(st.texts); err != nil {
			panic("cli: the default of " + name + ": " + err.Error())
		}
	}
	s.list = append(s.list, st)
	return st
}

func (s *Settings) byFlag(flag string) *Setting {
	for _, st := range s.list {
		if st.flag == flag && flag != "" {
			return st
		}
	}
	return nil
}

func (s *Settings) byKey(key string) *Setting {
	for _, st := range s.list {
		if st.key == key && key != "" {
			return st
		}
	}
	return nil
}

func (s *Settings) byTable(name string) *Table {
	for _, t := range s.tables {
		if t.name == name {
			return t
		}
	}
	return nil
}

// names returns what names the settings have, by a function that returns "" for none.
func (s *Settings) names(name func(*Setting) string) []string {
	var names []string
	for _, st := range s.list {
		if n := name(st); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// Key is one key of the TOML file, for tests of example files.
type Key struct {
	Table   string // "[spool]", "[[file]]", "[file.lines]", or "" for a key above all tables
	Name    string
	Default string
}

// Keys returns every key that the file may have. It calls the functions of all tables once.
func (s *Settings) Keys() []Key {
	var keys []Key
	for _, st := range s.list {
		if table, name, _ := cutLast(st.key); name != "" {
			if table != "" {
				table = "[" + table + "]"
			}
			keys = append(keys, Key{table, name, st.def})
		}
	}
	for _, t := range s.tables {
		inner := &Settings{}
		t.register(inner)
		for _, k := range inner.Keys() {
			k.Table = within(t.name, k.Table)
			keys = append(keys, k)
		}
	}
	return keys
}

// within returns the header of a table that stands in an array's tables; "" for their own.
func within(array, header string) string {
	if header == "" {
		return "[[" + array + "]]"
	}
	name := strings.TrimLeft(header, "[")
	return header[:len(header)-len(name)] + array + "." + name
}

func flagOf(s *Setting) string { return s.flag }

func keyOf(s *Setting) string { return s.key }
