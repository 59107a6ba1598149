package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample is a program with a setting of every kind.
type sample struct {
	*Program
	path     string
	size     int64
	port     int
	console  bool
	peers    []string
	interval time.Duration
	failover time.Duration
	full     string
	ca       string
	files    []*sampleFile
}

type sampleFile struct {
	where      string
	paths      []string
	log, start string
	prefix     string
	lines      int
	redact     []*samplePair
}

type samplePair struct{ pattern, with string }

func newSample() *sample {
	s := &sample{Program: New("scribe", "writes lines.", "scribe [flags]")}
	s.Group("Files")
	s.String(&s.path, "path", "../logs", "folder of the logs").Arg("DIR").NotEmpty()
	s.Size(&s.size, "size", "1MB", "rotate at this size")
	s.Bool(&s.console, "console", "also write to stdout")
	s.Group("Network")
	s.Port(&s.port, "port", "8080", "port to listen on")
	s.List(&s.peers, "mediator", "", "addresses").Key("mediators").Arg("HOST:PORT[,…]").Check(CheckAddress)
	s.Duration(&s.interval, "health-interval", "5s", "time between checks")
	s.DurationOrNever(&s.failover, "failover-after", "5m", "time to wait")
	s.Choice(&s.full, "when-full", "block", "what to do", "block", "drop_oldest").Key("spool.when_full")
	s.Size(new(int64), "max-size", "1GB", "size of the spool").Key("spool.max_size").Live()
	s.String(&s.ca, "ca", "", "authorities").Arg("FILE").Key("tls.ca")
	s.Table("file", func(t *Settings) {
		f := &sampleFile{where: t.Where()}
		s.files = append(s.files, f)
		t.Strings(&f.paths, "paths", "globs").Required()
		t.String(&f.log, "log", "", "log").Required()
		t.Choice(&f.start, "start", "beginning", "where from", "beginning", "end")
		t.String(&f.prefix, "prefix", "", "put before lines").Key("lines.prefix")
		t.Count(&f.lines, "max-lines", "500", "lines of an event").Key("lines.multiline.max_lines")
		t.Table("lines.redact", func(t *Settings) {
			p := &samplePair{}
			f.redact = append(f.redact, p)
			t.String(&p.pattern, "pattern", "", "what").Required()
			t.String(&p.with, "with", "", "by what")
		})
	}).Live()
	s.Table("stdin", func(t *Settings) { t.String(new(string), "log", "", "log") })
	s.AddCommand("validate", "")
	s.AddCommand("explain", "FILE…")
	s.Common("127.0.0.1:0")
	return s
}

// call is a command line with its surroundings.
type call struct {
	args []string
	env  map[string]string
	toml string // if not empty, the file scribe.toml, which is given as -config unless args or env name it
}

// parse runs the call in a folder of its own.
func (c call) parse(t *testing.T, p *Program) (stdout string, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	args := c.args
	if c.toml != "" {
		writeFile(t, "scribe.toml", c.toml)
		if c.env["SCRIBE_CONFIG"] == "" && !strings.Contains(" "+strings.Join(args, " "), " -config") {
			args = append([]string{"-config", "scribe.toml"}, args...)
		}
	}
	var out bytes.Buffer
	_, err = p.Parse(Host{Args: args, LookupEnv: lookup(c.env), Stdout: &out})
	return out.String(), err
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { text, ok := env[name]; return text, ok }
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Clean(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func env(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}
