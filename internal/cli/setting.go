package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/size"
)

// Setting is one value that a user may set. Its methods refine it and return it, so that they can follow on the call
// that registers it.
type Setting struct {
	flag, env, key string // "" where it can't be set
	def, usage     string
	group          string
	kind           kind
	set            func(texts []string) error // takes one text, or any number for a list
	checks         []func(string) error
	required       bool // of each table
	notEmpty       bool
	from           string   // where the value came from, "" for the default
	texts          []string // the value as it was written
	live           bool
	loose          bool          // naming its default is not the same as leaving it out
	value          func() string // of a text: what it is, which the program may have found out where nothing was set
	// Where it has no key of its own: the array whose first table it stands for a key of, and that key.
	table, tableKey string
}

// kind is how the values of a setting are written.
type kind struct {
	arg  string                  // stands for the value in the usage text, "" for a boolean
	want string                  // for "write X, not a boolean"
	toml func(v any) bool        // whether v, a TOML value other than a string or array, may stand for one
	list bool                    // a TOML array may be given
	bare bool                    // a TOML string may not be given
	cut  func(s string) []string // parts one text of a flag, the environment or a TOML string into a list
}

// Key sets the key in the TOML file, as "table.key"; "" for none. Without a call it is the flag's name with _ for -.
func (s *Setting) Key(key string) *Setting { s.key = key; return s }

// InTable says that the setting, which has no key of its own, beats this key in the first table of an array.
func (s *Setting) InTable(array, key string) *Setting {
	s.key, s.table, s.tableKey = "", array, key
	return s
}

// Arg sets the word that stands for the value in the usage text.
func (s *Setting) Arg(arg string) *Setting { s.kind.arg = arg; return s }

// Check adds a check of the value; for a list, of each of its values. It is not called for the default and for "".
func (s *Setting) Check(check func(string) error) *Setting {
	s.checks = append(s.checks, check)
	return s
}

// NotEmpty makes it an error to set the setting to nothing.
func (s *Setting) NotEmpty() *Setting { s.notEmpty = true; return s }

// Required makes it an error to leave the setting out of its table, or to set it to nothing.
func (s *Setting) Required() *Setting { s.required, s.notEmpty = true, true; return s }

// From returns where the value came from as errors name it, and "" for the default: "-size", "SCRIBE_SIZE" or
// "scribe.toml:12: size".
func (s *Setting) From() string { return s.from }

// apply checks and sets the value that came from origin.
func (s *Setting) apply(origin string, texts []string) error {
	if s.notEmpty && strings.Join(texts, "") == "" {
		return Usagef("%s: must not be empty", origin)
	}
	if !s.kind.list {
		texts = texts[len(texts)-1:] // of a flag given twice the last one counts
	}
	for _, t := range texts {
		for _, check := range s.checks {
			if t == "" {
				continue
			}
			if err := check(t); err != nil {
				return Usagef("%s: %w", origin, err)
			}
		}
	}
	if err := s.set(texts); err != nil {
		return Usagef("%s: %w", origin, err)
	}
	s.from, s.texts = origin, texts
	return nil
}

// parts returns the values in one text of a flag or the environment.
func (s *Setting) parts(text string) []string {
	if s.kind.cut == nil {
		return []string{text}
	}
	return s.kind.cut(text)
}

// fromTOML returns a TOML value as texts, or an error that says what to write instead.
func (s *Setting) fromTOML(v any) ([]string, error) {
	bad := func(what string) ([]string, error) { return nil, fmt.Errorf("write %s, not %s", s.kind.want, what) }
	switch v := v.(type) {
	case string:
		if s.kind.bare {
			return bad(fmt.Sprintf("the string %q", v))
		}
		return s.parts(v), nil
	case []any:
		if !s.kind.list {
			return bad("an array")
		}
		texts := []string{}
		for _, e := range v {
			text, ok := e.(string)
			if !ok {
				return bad("an array with " + describe(e))
			}
			texts = append(texts, text)
		}
		return texts, nil
	default:
		if s.kind.toml == nil || !s.kind.toml(v) {
			return bad(describe(v))
		}
		return []string{fmt.Sprint(v)}, nil
	}
}

// describe names a TOML value in an error.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("the string %q", v)
	case int64:
		return fmt.Sprintf("the number %d", v)
	case float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return fmt.Sprintf("the boolean %v", v)
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	default:
		return "an array"
	}
}

func isInteger(v any) bool { _, ok := v.(int64); return ok }

func isBool(v any) bool { _, ok := v.(bool); return ok }

// scalar makes a set function of one that takes a single text.
func scalar(set func(string) error) func([]string) error {
	return func(texts []string) error { return set(texts[0]) }
}

// String registers a text.
func (s *Settings) String(to *string, name, def, usage string) *Setting {
	k := kind{arg: "TEXT", want: "a string"}
	st := s.add(name, def, usage, k, scalar(func(t string) error { *to = t; return nil }))
	st.value = func() string { return *to }
	return st
}

// Choice registers a text that must be one of the choices.
func (s *Settings) Choice(to *string, name, def, usage string, choices ...string) *Setting {
	last := len(choices) - 1
	words := strings.Join(choices[:last], ", ") + " or " + choices[last]
	k := kind{arg: strings.Join(choices, "|"), want: words}
	return s.add(name, def, usage, k, scalar(func(t string) error {
		if !slices.Contains(choices, t) {
			return fmt.Errorf("bad value %q: use %s", t, words)
		}
		*to = t
		return nil
	}))
}

// Bool registers a switch, which is off by default.
func (s *Settings) Bool(to *bool, name, usage string) *Setting {
	k := kind{want: "true or false", toml: isBool, bare: true}
	return s.add(name, "false", usage, k, scalar(func(t string) (err error) {
		if *to, err = strconv.ParseBool(t); err != nil {
			return fmt.Errorf("bad value %q: use true or false", t)
		}
		return nil
	}))
}

// Port registers a TCP port, 0 to 65535.
func (s *Settings) Port(to *int, name, def, usage string) *Setting {
	k := kind{arg: "PORT", want: "a number from 0 to 65535", toml: isInteger, bare: true}
	return s.add(name, def, usage, k, scalar(func(t string) error {
		n, err := strconv.ParseUint(t, 10, 16)
		if err != nil {
			return fmt.Errorf("bad port %q: use a number from 0 to 65535", t)
		}
		*to = int(n)
		return nil
	}))
}

// Count registers a whole number above zero.
func (s *Settings) Count(to *int, name, def, usage string) *Setting {
	k := kind{arg: "N", want: "a whole number above zero", toml: isInteger, bare: true}
	return s.add(name, def, usage, k, scalar(func(t string) error {
		n, err := strconv.Atoi(t)
		if err != nil || n < 1 {
			return fmt.Errorf("bad number %q: use a whole number above zero", t)
		}
		*to = n
		return nil
	}))
}

// NoLimit is the value of -1 for a setting that Limit registered.
const NoLimit = -1

// Limit registers a whole number above zero, or -1, which sets NoLimit.
func (s *Settings) Limit(to *int, name, def, usage string) *Setting {
	k := kind{arg: "N", want: "a whole number above zero, or -1 for no limit", toml: isInteger, bare: true}
	return s.add(name, def, usage, k, scalar(func(t string) error {
		n, err := strconv.Atoi(t)
		if err != nil || n < 1 && n != NoLimit {
			return fmt.Errorf("bad number %q: use a whole number above zero, or -1 for no limit", t)
		}
		*to = n
		return nil
	}))
}

// Size registers a size in bytes. In the file, a whole number is bytes.
func (s *Settings) Size(to *int64, name, def, usage string) *Setting {
	k := kind{arg: "SIZE", want: `a size such as "1MB"`, toml: isInteger}
	return s.add(name, def, usage, k, scalar(func(t string) (err error) {
		*to, err = size.Parse(t)
		return err
	}))
}

// Duration registers a time above zero.
func (s *Settings) Duration(to *time.Duration, name, def, usage string) *Setting {
	k := kind{arg: "TIME", want: `a time such as "5s"`}
	return s.add(name, def, usage, k, scalar(func(t string) (err error) {
		*to, err = parseDuration(t)
		return err
	}))
}

// Never is the value of -1 for a setting that DurationOrNever registered.
const Never time.Duration = -1

// DurationOrNever registers a time above zero, or -1, which sets Never.
func (s *Settings) DurationOrNever(to *time.Duration, name, def, usage string) *Setting {
	k := kind{arg: "TIME", want: `a time such as "5s", or -1 for never`, toml: func(v any) bool { return v == int64(-1) }}
	return s.add(name, def, usage, k, scalar(func(t string) (err error) {
		if t == "-1" {
			*to = Never
			return nil
		}
		*to, err = parseDuration(t)
		return err
	}))
}

func parseDuration(t string) (time.Duration, error) {
	d, err := time.ParseDuration(t)
	switch {
	case err != nil:
		return 0, fmt.Errorf("bad time %q: write 500ms, 5s, 1m30s or 2h", t)
	case d <= 0:
		return 0, fmt.Errorf("bad time %q: must be above zero", t)
	}
	return d, nil
}

// List registers a list that is written with commas in flags and environment, and as an array in the file.
func (s *Settings) List(to *[]string, name, def, usage string) *Setting {
	k := kind{arg: "TEXT[,…]", want: `an array of strings such as ["a", "b"]`, list: true, cut: cutList}
	return s.add(name, def, usage, k, func(texts []string) error { *to = clean(texts); return nil })
}

func cutList(text string) []string { return strings.Split(text, ",") }

// clean drops what is empty, such as what stands behind a last comma.
func clean(texts []string) []string {
	var list []string
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// Strings registers an array of strings in the file. A single string is an array of one; commas have no meaning.
func (s *Settings) Strings(to *[]string, name, usage string) *Setting {
	k := kind{arg: "TEXT", want: `an array of strings such as ["a", "b"]`, list: true}
	return s.add(name, "", usage, k, func(texts []string) error {
		if slices.Contains(texts, "") {
			return errors.New("an element is empty")
		}
		*to = texts
		return nil
	})
}
