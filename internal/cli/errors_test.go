package cli

import (
	"errors"
	"strings"
	"testing"
)

func args(a ...string) call { return call{args: a} }

// TestErrors shows what a user reads.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		call call
		want string
	}{
		// Flags.
		{args("-prot", "1"), `scribe: unknown flag -prot; did you mean -port? (see scribe -h)`},
		{args("--mediators=a:1"), `scribe: unknown flag -mediators; did you mean -mediator? (see scribe -h)`},
		{args("-max_size", "1"), `scribe: unknown flag -max_size; did you mean -max-size? (see scribe -h)`},
		{args("-colour"), `scribe: unknown flag -colour (see scribe -h)`},
		{args("-port"), `scribe: -port needs a value: -port PORT (see scribe -h)`},
		{args("---port"), `scribe: bad flag syntax: ---port (see scribe -h)`},
		{args("8080"), `scribe: unexpected argument "8080" (see scribe -h)`},
		{args("-port", "1", "console"), `scribe: unexpected argument "console"; did you mean -console? (see scribe -h)`},
		{args("-console", "true"), `scribe: unexpected argument "true"; -console takes no value, or one after =: -console=true (see scribe -h)`},
		{args("valdate"), `scribe: unexpected argument "valdate"; did you mean validate? (see scribe -h)`},
		{args("validate", "validate"), `scribe: unexpected argument "validate" after "validate" (see scribe -h)`},
		{args("-config", "none.toml"), `scribe: -config: open none.toml: no such file or directory`},
		{args("-config", ""), `scribe: -config: no file is named`},

		// The same value from each origin.
		{args("-size", "1XB"), `scribe: -size: bad size "1XB": not a whole number and a unit (write 1MB, 512KiB or -1B for no limit)`},
		{call{env: env("SCRIBE_SIZE", "1XB")}, `scribe: SCRIBE_SIZE: bad size "1XB": not a whole number and a unit (write 1MB, 512KiB or -1B for no limit)`},
		{call{toml: "\n\nsize = \"1XB\""}, `scribe: scribe.toml:3: size: bad size "1XB": not a whole number and a unit (write 1MB, 512KiB or -1B for no limit)`},
		{call{args: []string{"-size", "1MB"}, toml: "size = \"1XB\""}, `scribe: scribe.toml:1: size: bad size "1XB": not a whole number and a unit (write 1MB, 512KiB or -1B for no limit)`},
		{call{env: env("SCRIBE_CONFIG", "none.toml")}, `scribe: SCRIBE_CONFIG: open none.toml: no such file or directory`},

		// Each kind of value.
		{args("-size", "0"), `scribe: -size: bad size "0": must be above zero (write 1MB, 512KiB or -1B for no limit)`},
		{args("-port", "65536"), `scribe: -port: bad port "65536": use a number from 0 to 65535`},
		{args("-port", "-1"), `scribe: -port: bad port "-1": use a number from 0 to 65535`},
		{args("-console=maybe"), `scribe: -console: bad value "maybe": use true or false`},
		{args("-health-interval", "5"), `scribe: -health-interval: bad time "5": write 500ms, 5s, 1m30s or 2h`},
		{args("-health-interval", "0s"), `scribe: -health-interval: bad time "0s": must be above zero`},
		{args("-health-interval", "-1"), `scribe: -health-interval: bad time "-1": write 500ms, 5s, 1m30s or 2h`},
		{args("-when-full", "drop"), `scribe: -when-full: bad value "drop": use block or drop_oldest`},
		{args("-log-level", "loud"), `scribe: -log-level: bad value "loud": use debug, info, warn or error`},
		{args("-mediator", "a:1,b"), `scribe: -mediator: bad address "b": write HOST:PORT`},
		{args("-mediator", "a:http"), `scribe: -mediator: bad address "a:http": the port must be a number from 1 to 65535`},
		{args("-path", ""), `scribe: -path: must not be empty`},

		// Keys.
		{call{toml: "prot = 1"}, `scribe: scribe.toml:1: unknown key "prot"; did you mean "port"?`},
		{call{toml: "[spool]\n# size\n\nmax_sise = \"1GB\""}, `scribe: scribe.toml:4: unknown key "max_sise" in [spool]; did you mean "max_size"?`},
		{call{toml: "[spool]\nmax-size = \"1GB\""}, `scribe: scribe.toml:2: unknown key "max-size" in [spool]; did you mean "max_size"?`},
		{call{toml: "[spool]\nMax_Size = \"1GB\""}, `scribe: scribe.toml:2: unknown key "Max_Size" in [spool]; did you mean "max_size"?`},
		{call{toml: "[spool]\ncolour = 1"}, `scribe: scribe.toml:2: unknown key "colour" in [spool]; known are when_full, max_size`},
		{call{toml: "[tls]\nca = \"x\"\nport = 1"}, `scribe: scribe.toml:3: unknown key "port" in [tls]; it belongs above the first [table]`},
		{call{toml: "max_size = \"1GB\""}, `scribe: scribe.toml:1: unknown key "max_size"; it belongs in [spool]`},
		{call{toml: "\n[spol]\nmax_size = \"1GB\""}, `scribe: scribe.toml:2: unknown table [spol]; did you mean [spool]?`},
		{call{toml: "[[files]]\nlog = \"a\""}, `scribe: scribe.toml:1: unknown table [files]; did you mean [[file]]?`},
		{call{toml: "[colours]\nlog = \"a\""}, `scribe: scribe.toml:1: unknown table [colours]`},
		{call{toml: "\n[file]\nlog = \"a\""}, `scribe: scribe.toml:2: file is an array of tables: write [[file]]`},
		{call{toml: "\n[[spool]]\nmax_size = \"1GB\""}, `scribe: scribe.toml:2: spool is one table: write [spool]`},
		{call{toml: "spool = \"a.db\""}, `scribe: scribe.toml:1: spool is one table: write [spool]`},

		// Arrays of tables: the line is that of the element.
		{call{toml: "[[file]]\npaths = [\"a\"]\nlog = \"a\"\n\n[[file]]\npaths = [\"b\"]\nlgo = \"b\""}, `scribe: scribe.toml:7: unknown key "lgo" in [[file]]; did you mean "log"?`},
		{call{toml: "[[file]]\npaths = [\"a\"]\n\n[[file]]\npaths = [\"b\"]\nlog = \"b\""}, `scribe: scribe.toml:1: this [[file]] has no log`},
		{call{toml: "[[file]]\npaths = [\"a\"]\nlog = 7\n[[file]]\npaths = [\"b\"]\nlog = \"b\""}, `scribe: scribe.toml:3: log: write a string, not the number 7`},
		{call{toml: "[[file]]\npaths = []\nlog = \"a\""}, `scribe: scribe.toml:2: paths: must not be empty`},
		{call{toml: "[[file]]\npaths = [\"a\", \"\"]\nlog = \"a\""}, `scribe: scribe.toml:2: paths: an element is empty`},
		{call{toml: "[[file]]\nlog = \"a\"\npaths = [\"a\", 1]"}, `scribe: scribe.toml:3: paths: write an array of strings such as ["a", "b"], not an array with the number 1`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\nport = 1"}, `scribe: scribe.toml:4: unknown key "port" in [[file]]; it belongs above the first [table]`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\nstart = \"End\""}, `scribe: scribe.toml:4: start: bad value "End": use beginning or end`},

		// Types.
		{call{toml: "port = \"8080\""}, `scribe: scribe.toml:1: port: write a number from 0 to 65535, not the string "8080"`},
		{call{toml: "port = 70000"}, `scribe: scribe.toml:1: port: bad port "70000": use a number from 0 to 65535`},
		{call{toml: "port = 1.5"}, `scribe: scribe.toml:1: port: write a number from 0 to 65535, not the number 1.5`},
		{call{toml: "size = true"}, `scribe: scribe.toml:1: size: write a size such as "1MB", not the boolean true`},
		{call{toml: "console = \"yes\""}, `scribe: scribe.toml:1: console: write true or false, not the string "yes"`},
		{call{toml: "health_interval = 5"}, `scribe: scribe.toml:1: health_interval: write a time such as "5s", not the number 5`},
		{call{toml: "failover_after = 5"}, `scribe: scribe.toml:1: failover_after: write a time such as "5s", or -1 for never, not the number 5`},
		{call{toml: "path = [\"a\"]"}, `scribe: scribe.toml:1: path: write a string, not an array`},
		{call{toml: "path = 2026-01-01"}, `scribe: scribe.toml:1: path: write a string, not a date or time`},
		// Tables within tables.
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\n[file.lines]\n\nprefx = \"p\""}, `scribe: scribe.toml:6: unknown key "prefx" in [file.lines]; did you mean "prefix"?`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\n[file.line]\nprefix = \"p\""}, `scribe: scribe.toml:4: unknown table [file.line]; did you mean [file.lines]?`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\nprefix = \"p\""}, `scribe: scribe.toml:4: unknown key "prefix" in [[file]]; it belongs in [file.lines]`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\n[file.lines]\nstart = \"p\""}, `scribe: scribe.toml:5: unknown key "start" in [file.lines]; it belongs in [[file]]`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\n[file.lines.multiline]\nmax_lines = 0"}, `scribe: scribe.toml:5: lines.multiline.max_lines: bad number "0": use a whole number above zero`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\nlines.multiline = 5"}, `scribe: scribe.toml:4: lines.multiline is one table: write [file.lines.multiline]`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\n[[file.lines.redact]]\nwith = \"x\""}, `scribe: scribe.toml:4: this [[file.lines.redact]] has no pattern`},
		{call{toml: "[[file]]\npaths = \"a\"\nlog = \"a\"\nlines.redact = [{ patern = \"x\" }]"}, `scribe: scribe.toml:4: unknown key "patern" in [[file.lines.redact]]; did you mean "pattern"?`},
		{call{toml: "[file.lines]\nprefix = \"p\""}, `scribe: scribe.toml:1: file is an array of tables: write [[file]]`},
		{call{toml: "[path]\nx = 1"}, `scribe: scribe.toml:1: path: write a string, not a table`},
		{call{toml: "mediators = 5"}, `scribe: scribe.toml:1: mediators: write an array of strings such as ["a", "b"], not the number 5`},
		{call{toml: "mediators = [\n\"a:1\",\n\"b\"]"}, `scribe: scribe.toml:1: mediators: bad address "b": write HOST:PORT`},

		// TOML syntax.
		{call{toml: "port = 1\npath = /logs\n"}, `scribe: scribe.toml:2: expected value but found '/' instead (a text must stand in quotes)`},
		{call{toml: "port = 1\npath = logs\n"}, `scribe: scribe.toml:2: expected value but found "logs" instead (a text must stand in quotes)`},
		{call{toml: "port = 1\n\nport = 2"}, `scribe: scribe.toml:3: key 'port' has already been defined`},
		{call{toml: "[spool]\n[spool]"}, `scribe: scribe.toml:2: key 'spool' has already been defined`},
		{call{toml: "path = \"a"}, `scribe: scribe.toml:1: unexpected EOF; expected '"'`},
		{call{toml: "p\x00"}, `scribe: scribe.toml:1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8`},
		{call{toml: "#" + strings.Repeat("x", maxDocument)}, `scribe: -config: scribe.toml is larger than 1048576 bytes`},
	} {
		_, err := tc.call.parse(t, newSample().Program)
		if err == nil {
			t.Errorf("no error, want %s", tc.want)
			continue
		}
		if got := oneLine("scribe", err); got != tc.want {
			t.Errorf("\n got %s\nwant %s", got, tc.want)
		}
		if _, ok := errors.AsType[*UsageError](err); !ok {
			t.Errorf("%v is no UsageError", err)
		}
	}
}

func TestOneLine(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{errors.New("x"), "scribe-mediator: x"},
		{errors.Join(errors.New("x"), errors.New("y")), "scribe-mediator: x; y"},
		{errors.New("scribe-mediator: x"), "scribe-mediator: x"},
		{errors.New("mediator: x"), "scribe-mediator: x"},
	} {
		if got := oneLine("scribe-mediator", tc.err); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func TestUsagef(t *testing.T) {
	cause := errors.New("cause")
	if err := Usagef("x: %w", cause); !errors.Is(err, cause) || err.Error() != "x: cause" {
		t.Errorf("got %v", err)
	}
	if Usage(nil) != nil {
		t.Error("no error became one")
	}
}
