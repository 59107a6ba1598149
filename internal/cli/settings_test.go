package cli

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/size"
)

func TestPrecedence(t *testing.T) {
	const file = "size = \"2MB\"\nport = 2\nconsole = true\nmediators = [\"b:1\"]\n"
	fromEnv := env("SCRIBE_SIZE", "3MB", "SCRIBE_PORT", "3", "SCRIBE_CONSOLE", "false", "SCRIBE_MEDIATOR", "c:1,d:1")
	fromFlags := []string{"-size", "4MB", "--port=4", "-console", "-mediator", "e:1", "--mediator", "f:1,g:1"}
	for _, tc := range []struct {
		name    string
		call    call
		size    int64
		port    int
		console bool
		peers   string
		from    string // of size
	}{
		{"default", call{}, 1e6, 8080, false, "", ""},
		{"file", call{toml: file}, 2e6, 2, true, "b:1", "scribe.toml:1: size"},
		{"environment", call{env: fromEnv}, 3e6, 3, false, "c:1 d:1", "SCRIBE_SIZE"},
		{"environment beats file", call{env: fromEnv, toml: file}, 3e6, 3, false, "c:1 d:1", "SCRIBE_SIZE"},
		{"flags beat file", call{args: fromFlags, toml: file}, 4e6, 4, true, "e:1 f:1 g:1", "-size"},
		{"flags beat all", call{args: fromFlags, env: fromEnv, toml: file}, 4e6, 4, true, "e:1 f:1 g:1", "-size"},
		{"a switch may be switched off", call{args: []string{"-console=false"}, toml: file}, 2e6, 2, false, "b:1", "scribe.toml:1: size"},
		{"a list may be emptied", call{args: []string{"-mediator", ""}, toml: file}, 2e6, 2, true, "", "scribe.toml:1: size"},
		{"an empty variable is none", call{env: env("SCRIBE_SIZE", "", "SCRIBE_PATH", ""), toml: file}, 2e6, 2, true, "b:1", "scribe.toml:1: size"},
		{"the last flag counts", call{args: []string{"-size", "5MB", "-size=6MB"}}, 6e6, 8080, false, "", "-size"},
		{"file named by environment", call{env: env("SCRIBE_CONFIG", "scribe.toml"), toml: file}, 2e6, 2, true, "b:1", "scribe.toml:1: size"},
		{"what Kubernetes sets for a service", call{env: env("SCRIBE_PORT", "tcp://10.0.0.1:8080")}, 1e6, 8080, false, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSample()
			if _, err := tc.call.parse(t, s.Program); err != nil {
				t.Fatal(err)
			}
			if s.size != tc.size || s.port != tc.port || s.console != tc.console || strings.Join(s.peers, " ") != tc.peers {
				t.Errorf("got size %d, port %d, console %v, mediators %q", s.size, s.port, s.console, s.peers)
			}
			if from := s.byFlag("size").From(); from != tc.from {
				t.Errorf("size came from %q, want %q", from, tc.from)
			}
		})
	}
}

func TestFileValues(t *testing.T) {
	s := newSample()
	_, err := call{toml: `
mediators = [ # an array of several lines
  "a:1",
  "[::1]:2", # with [brackets]
]
spool.when_full = "drop_oldest"
size = -1
failover_after = -1
health_interval = "1m30s"
port = 0x10
[tls]
ca = '''
[file]
x'''
[[file]]
paths = ["/srv/{a,b}/*.log", '[a]']
log = "a"
start = "end"
[[file]]
  paths = "/one,two"
  log = "{host}/b"
`}.parse(t, s.Program)
	if err != nil {
		t.Fatal(err)
	}
	if s.size != size.Unlimited || s.failover != Never || s.interval != 90*time.Second || s.port != 16 || s.full != "drop_oldest" {
		t.Errorf("got %+v", s)
	}
	if s.ca != "[file]\nx" || !reflect.DeepEqual(s.peers, []string{"a:1", "[::1]:2"}) {
		t.Errorf("got ca %q, mediators %q", s.ca, s.peers)
	}
	want := []*sampleFile{
		{where: "scribe.toml:15", paths: []string{"/srv/{a,b}/*.log", "[a]"}, log: "a", start: "end", lines: 500},
		{where: "scribe.toml:19", paths: []string{"/one,two"}, log: "{host}/b", start: "beginning", lines: 500},
	}
	if !reflect.DeepEqual(s.files, want) {
		t.Errorf("got tables %+v %+v", s.files[0], s.files[1])
	}
}

func TestInlineTables(t *testing.T) {
	s := newSample()
	_, err := call{toml: "\nspool = { when_full = \"drop_oldest\" }\nfile = [{paths = \"a\", log = \"b\"}, {paths = \"c\", log = \"d\"}]\n"}.parse(t, s.Program)
	if err != nil {
		t.Fatal(err)
	}
	if s.full != "drop_oldest" || len(s.files) != 2 || s.files[1].log != "d" || s.files[1].where != "scribe.toml:3" {
		t.Errorf("got %q and %d tables", s.full, len(s.files))
	}
}

// TestTablesWithinTables writes the same settings as tables of their own and in one line, each for one of two files.
func TestTablesWithinTables(t *testing.T) {
	s := newSample()
	_, err := call{toml: `
[[file]]
paths = "a"
log = "a"
[file.lines]
prefix = "p"
[file.lines.multiline]
max_lines = 7
[[file.lines.redact]]
pattern = "x"
[[file.lines.redact]]
pattern = "y"
with = "z"

[[file]]
paths = "b"
log = "b"
lines = { prefix = "q", multiline = { max_lines = 8 }, redact = [{ pattern = "x" }, { pattern = "y", with = "z" }] }

[[file]]
paths = "c"
log = "c"
[file.lines]
multiline.max_lines = 9
redact = [
  { pattern = "x" },
  { pattern = "y", with = "z" },
]
`}.parse(t, s.Program)
	if err != nil {
		t.Fatal(err)
	}
	pairs := []*samplePair{{"x", ""}, {"y", "z"}}
	for i, want := range []sampleFile{{prefix: "p", lines: 7}, {prefix: "q", lines: 8}, {prefix: "", lines: 9}} {
		if f := s.files[i]; f.prefix != want.prefix || f.lines != want.lines || !reflect.DeepEqual(f.redact, pairs) {
			t.Errorf("file %d: got %+v with %d pairs", i+1, f, len(f.redact))
		}
	}
}

func TestKeysOfTablesWithinTables(t *testing.T) {
	var got []string
	for _, k := range newSample().Keys() {
		if strings.HasPrefix(strings.TrimLeft(k.Table, "["), "file") {
			got = append(got, k.Table+" "+k.Name)
		}
	}
	want := []string{
		"[[file]] paths", "[[file]] log", "[[file]] start", "[file.lines] prefix", "[file.lines.multiline] max_lines",
		"[[file.lines.redact]] pattern", "[[file.lines.redact]] with",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	s := newSample()
	_, err := call{toml: "\ufeffpath = \"a\"\r\n\r\n[tls]\r\nca = 1\r\n"}.parse(t, s.Program)
	if err == nil || err.Error() != "scribe.toml:4: tls.ca: write a string, not the number 1" {
		t.Errorf("got %v", err)
	}
}

func TestCommand(t *testing.T) {
	for _, args := range [][]string{{"validate", "-port", "1"}, {"-port", "1", "validate"}, {"-console", "validate", "-port=1"}} {
		s := newSample()
		if _, err := (call{args: args}).parse(t, s.Program); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		if s.Command() != "validate" || s.port != 1 {
			t.Errorf("%q: command %q, port %d", args, s.Command(), s.port)
		}
	}
}

func TestDefaultsAreChecked(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a bad default passed")
		}
	}()
	New("x", "", "").Size(new(int64), "size", "1XB", "")
}
