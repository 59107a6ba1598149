package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A page's commands stand in blocks that begin with ```sh. Each has a documented here, by its first line, that says how it is
// run: so none can be written, or changed, without somebody having seen it work.

// documented says how a block of commands is run: in a folder of its own, with the programs in bin/ there.
type documented struct {
	page  string // below the repository
	first string // the block's first line without its comment

	before  string   // a script that runs first: makes files, starts servers with &
	replace []string // in the block: what, by what; ADDR1, ADDR2 and ADDR3 are free addresses here and in before
	after   string   // a script that runs last, to check what came of it

	// checked says why the block is not run. Its commands are then looked at: are the programs, flags, units, tests and
	// packages that they name there?
	checked string
}

const (
	tailing = `printf 'mediators = ["ADDR1"]\n[spool]\npath = "spool.db"\n[[file]]\npaths = ["in/*.log"]\nlog = "a/{stem}"\n' >agent.toml; mkdir in; seq 1000 >in/access.log`
	toLocal = `seq 300000 | bin/scribe-agent -local logs -log web/access 2>/dev/null`
	waitFor = `wait_for() { for i in $(seq 400); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.05; done; echo "not in time: $*"; return 1; }`
	servers = waitFor + `
export SCRIBE_MEDIATOR_PORT=${A1##*:} SCRIBE_PORT=${A2##*:}`
	looked = `
export SCRIBECTL_MEDIATOR=ADDR1
bin/scribe-mediator -data data & bin/scribe -path logs -mediator ADDR1 & seq 1000 | bin/scribe-agent -mediator ADDR1 -log a -spool spool.db`
)

var documents = []documented{
	{page: "README.md", first: "seq 1000000 | go run ./cmd/scribe-agent -local logs -log web/access",
		replace: []string{"go run ./cmd/scribe-agent", "bin/scribe-agent"}, after: `cmp <(cat logs/web/access_* logs/web/access.log) <(seq 1000000)`},
	{page: "README.md", first: "go test ./...", checked: "it is what runs this"},
	{page: "README.md", first: "go build -o bin/ ./cmd/...", replace: []string{"go build -o bin/ ./cmd/...", "true", "demo", "demo -lines 5000"},
		after: `ls -d scribe-demo-*/scribe-1`},
	{page: "README.md", first: "bin/scribe-mediator -data /tmp/scribe-demo/mediator &", before: servers,
		replace: []string{"/tmp/", "tmp/", "127.0.0.1:8000", "ADDR1"},
		after:   `cmp <(cat tmp/scribe-demo/logs/demo/*_* tmp/scribe-demo/logs/demo/numbers.log) <(seq 1000000)`},
	{page: "README.md", first: "bin/scribe-agent validate -config agent.toml", before: tailing + "; " + waitFor + "; bin/scribe -path logs -port ${A1##*:} -host 127.0.0.1 &",
		replace: []string{"/var/log/nginx/access.log", "in/access.log", "bin/scribe-agent -config agent.toml", "bin/scribe-agent -config agent.toml &"},
		after:   `wait_for cmp logs/a/access.log in/access.log`},
	{page: "README.md", first: "bin/scribe-agent loss spool.db", before: `seq 10 | bin/scribe-agent -mediator ADDR1 -log a -spool spool.db -drain-timeout 1ms || true`,
		after: `bin/scribe-agent loss -json spool.db | grep -q '"times": 0'`},
	{page: "README.md", first: "bin/scribe-agent spool inspect spool.db", before: `seq 10 | bin/scribe-agent -mediator ADDR1 -log a -spool spool.db -drain-timeout 1ms || true`,
		after: `cmp DIR/a.log <(seq 10)`},
	{page: "README.md", first: "zstdcat -f logs/web/access_* logs/web/access.log*", before: toLocal + `; exec >/dev/null; zstdcat --version >/dev/null 2>&1 || zstdcat() { shift; cat "$@"; }`},
	{page: "README.md", first: "bin/scribe verify -path logs", before: toLocal},
	{page: "README.md", first: "bin/scribe-mediator -ca ca.pem -crt mediator.pem -pk mediator.key -one-way", checked: "the names in certificates are a host's; TestTLS has its own"},
	{page: "README.md", first: "bin/scribectl status", before: servers + looked, replace: []string{"bin/scribectl top", "bin/scribectl top -count 1"}},
	{page: "docs/operations.md", first: "scribectl -mediator 127.0.0.1:8000 status", before: servers + looked, replace: []string{"127.0.0.1:8000", "ADDR1"}},
	{page: "README.md", first: "curl -s 127.0.0.1:7111/metrics | grep backlog",
		before:  waitFor + `; sleep 1000 | bin/scribe-agent -local logs -log a -ops ADDR1 & wait_for curl -sf ADDR1/readyz`,
		replace: []string{"127.0.0.1:7111", "ADDR1"}},
	{page: "README.md", first: "bin/scribe validate -config scribe.toml", before: `printf 'path = "logs"\n' >scribe.toml`,
		replace: []string{"# the settings", "| grep '\"logs\"' # the settings"}},
	{page: "README.md", first: "go run ./internal/bench", checked: "it takes half a minute"},
	{page: "docs/operations.md", first: "curl -s 127.0.0.1:7111/metrics | grep backlog",
		before:  waitFor + `; sleep 1000 | bin/scribe-agent -local logs -log a -ops ADDR1 & wait_for curl -sf ADDR1/readyz`,
		replace: []string{"127.0.0.1:7111", "ADDR1"}},
	{page: "docs/operations.md", first: "scribe-agent spool inspect spool.db",
		before:  waitFor + `; seq 1000 | bin/scribe-agent -mediator ADDR1 -log a -spool spool.db -drain-timeout 1ms || true; bin/scribe -path logs -host 127.0.0.1 -port ${A1##*:} &`,
		replace: []string{"127.0.0.1:8000", "ADDR1"}, after: `cmp logs/a.log <(seq 1000)`},
	{page: "docs/operations.md", first: "packaging/build", checked: "it takes minutes; .ci/packages builds and installs packages"},
	{page: "docs/operations.md", first: "docker build -f packaging/Dockerfile --build-arg VERSION=v1.2.3 -t logscribe .", checked: "it needs a container engine; .ci/packages uses one that is there"},
	{page: "docs/operations.md", first: "systemctl edit scribe-agent", checked: "it needs systemd"},
	{page: "docs/operations.md", first: "systemctl enable --now scribe-agent@web-access.socket", checked: "it needs systemd"},
	{page: "docs/performance.md", first: "go run ./internal/bench", checked: "it takes minutes"},
	{page: "docs/performance.md", first: "go run ./internal/bench -run 'plain|zstd' -runs 1 -lines 6000000 -profile DIR", checked: "it takes minutes"},
	{page: "docs/performance.md", first: `go test -run '^$' -bench '^BenchmarkStage' -benchmem -count 10 ./agent/... ./internal/block ./spool ./mediator ./scribe/... >new.txt`, checked: "it takes minutes"},
	{page: "CONTRIBUTING.md", first: "go test ./agent/line ./internal/cli", checked: "tests that run tests take long"},
	{page: "CONTRIBUTING.md", first: ".ci/run", checked: "it runs this"},
	{page: "CONTRIBUTING.md", first: "go run ./proto/generate", checked: "it writes to the repository; .ci/run does it beside"},
}

// commands is a block of them in a page.
type commands struct {
	page  string
	line  int
	lines []string
}

func (c commands) first() string { return strings.TrimSpace(withoutComment(c.lines[0])) }

// comment is what stands behind a # that has a space or more before it.
var comment = regexp.MustCompile(`(^|\s+)#.*$`)

func withoutComment(line string) string { return comment.ReplaceAllString(line, "") }

// readCommands returns all blocks of the documentation.
func readCommands(t *testing.T) (all []commands) {
	t.Helper()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var block *commands
		for i, line := range strings.Split(string(text), "\n") {
			switch {
			case strings.HasPrefix(line, "```sh"):
				block = &commands{page: strings.TrimPrefix(page, "../"), line: i + 1}
			case strings.HasPrefix(line, "```") && block != nil:
				all = append(all, *block)
				block = nil
			case block != nil:
				block.lines = append(block.lines, line)
			}
		}
	}
	return all
}

// TestDocumentedCommands runs every block of commands in README.md, CONTRIBUTING.md and docs/.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	unused := slices.Clone(documents)
	for _, c := range readCommands(t) {
		i := slices.IndexFunc(unused, func(d documented) bool { return d.page == c.page && d.first == c.first() })
		if i < 0 {
			t.Errorf("%s:%d: nothing in documents_test.go says how this is run: %s", c.page, c.line, c.first())
			continue
		}
		d := unused[i]
		unused = slices.Delete(unused, i, i+1)
		t.Run(fmt.Sprintf("%s:%d", c.page, c.line), func(t *testing.T) {
			t.Parallel()
			if d.checked != "" {
				c.check(t)
			} else {
				c.run(t, d)
			}
		})
	}
	for _, d := range unused {
		t.Errorf("%s: there are no commands any more that begin with: %s", d.page, d.first)
	}
}

// blockLimit is how long a block may take; most take much less than a second.
const blockLimit = time.Minute

// run runs the block as it stands but for what d says, and ends all that it has left running.
func (c commands) run(t *testing.T, d documented) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Dir(normal.bin(t, "scribe")), filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	block := strings.Join(c.lines, "\n")
	for i := 0; i < len(d.replace); i += 2 {
		if !strings.Contains(block, d.replace[i]) {
			t.Fatalf("%q is not in:\n%s", d.replace[i], block)
		}
		block = strings.ReplaceAll(block, d.replace[i], d.replace[i+1])
	}
	script := strings.Join([]string{"set -euo pipefail", d.before, block, d.after}, "\n")
	env := []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "GORACE=atexit_sleep_ms=0",
		"SCRIBE_OPS=off", "SCRIBE_AGENT_OPS=off", "SCRIBE_MEDIATOR_OPS=off"}
	for i := 1; i <= 3; i++ {
		addr := freeAddr(t)
		script = strings.ReplaceAll(script, fmt.Sprintf("ADDR%d", i), addr)
		env = append(env, fmt.Sprintf("A%d=%s", i, addr))
	}
	ctx, cancel := context.WithTimeout(t.Context(), blockLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	outFile, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer outFile.Close()
	cmd.Stdout, cmd.Stderr = outFile, outFile // files, so that Wait does not wait for what runs on
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has left
	if err != nil {
		out, _ := os.ReadFile(outFile.Name())
		t.Errorf("%v\n%s\n%s", err, script, out[max(0, len(out)-2000):])
	}
}

// foreign are the programs of others that the pages may name.
var foreign = []string{"app", "benchstat", "chmod", "chown", "cp", "curl", "grep", "ls", "mv", "seq", "sudo", "systemctl", "zstdcat", "rsync", "install", "rm", "mkdir", "journalctl", "apt", "dpkg", "rpm", "dnf", "docker", "podman", "kubectl", "cat", "tar", "sh", "bash", "export"}

// check looks at the commands of a block without running them.
func (c commands) check(t *testing.T) {
	simple := regexp.MustCompile(`\|\||&&|;|\|| & `)
	quoted := regexp.MustCompile(`'[^']*'`)
	for _, line := range c.lines {
		line = withoutComment(line)
		masked := quoted.ReplaceAllStringFunc(line, func(s string) string { return strings.Repeat("q", len(s)) })
		begin := 0
		for _, at := range append(simple.FindAllStringIndex(masked, -1), []int{len(line), len(line)}) {
			if command := strings.TrimSpace(line[begin:at[0]]); command != "" {
				checkCommand(t, command)
			}
			begin = at[1]
		}
	}
}

func checkCommand(t *testing.T, command string) {
	t.Helper()
	command = regexp.MustCompile(`\s[<>]\S+|\s[<>]\s\S+|\s&$`).ReplaceAllString(command, "")
	words := strings.Fields(command)
	name := strings.TrimPrefix(words[0], "bin/")
	switch {
	case strings.HasPrefix(name, "scribe"):
		out, err := exec.Command("bash", "-c", normal.bin(t, name)+" "+strings.Join(words[1:], " ")+" -h").CombinedOutput() // wrong flags are told before that
		if err != nil || !bytes.Contains(out, []byte("Usage:")) {
			t.Errorf("%s: %v: %s", command, err, out)
		}
	case strings.HasPrefix(command, "go test "):
		checkGoTest(t, command, words[2:])
	case strings.HasPrefix(command, "go run ./"), strings.HasPrefix(command, "go generate ./"):
		checkFlags(t, command, filepath.Join("..", words[2]), words[3:])
	case strings.HasPrefix(command, "go tool "), strings.HasPrefix(command, "go doc "):
	case strings.HasPrefix(name, ".ci/"), strings.HasPrefix(name, "packaging/"):
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	case !slices.Contains(foreign, name):
		t.Errorf("%s: what is %s? add it to foreign if it is a program of others", command, name)
	case name == "systemctl" || name == "journalctl":
		checkUnits(t, command, words[1:])
	}
}

// checkGoTest sees whether the packages, the tests and the flags of their own are there.
func checkGoTest(t *testing.T, command string, words []string) {
	t.Helper()
	var folders, flags []string
	for _, w := range words {
		if strings.HasPrefix(w, "./") {
			folders = append(folders, filepath.Join("..", strings.TrimSuffix(w, "...")))
		} else if strings.HasPrefix(w, "-") {
			flags = append(flags, w)
		}
	}
	if len(folders) == 0 {
		t.Errorf("%s: of which packages?", command)
	}
	code := codeBelow(t, folders)
	for _, pattern := range regexp.MustCompile(`-(?:run|fuzz|bench)[ =]'?([^' ]+)`).FindAllStringSubmatch(command, -1) {
		re, err := regexp.Compile(`func (Test|Fuzz|Benchmark)\w*`)
		if err != nil {
			t.Fatal(err)
		}
		want, err := regexp.Compile(pattern[1])
		found := pattern[1] == "^$"
		for _, f := range re.FindAllString(code, -1) {
			found = found || err == nil && want.MatchString(strings.TrimPrefix(f, "func "))
		}
		if !found {
			t.Errorf("%s: no test is called %s", command, pattern[1])
		}
	}
	for _, f := range flags {
		name, _, _ := strings.Cut(strings.TrimLeft(f, "-"), "=")
		known := []string{"run", "bench", "benchmem", "count", "fuzz", "fuzztime", "race", "short", "timeout", "tags", "v"}
		if !slices.Contains(known, name) && !strings.HasPrefix(name, "rapid.") && !strings.Contains(code, fmt.Sprintf("%q", name)) {
			t.Errorf("%s: no such flag: -%s", command, name)
		}
	}
}

// checkFlags sees whether a program of the repository has these flags.
func checkFlags(t *testing.T, command, folder string, words []string) {
	t.Helper()
	code := codeBelow(t, []string{folder})
	for _, w := range words {
		if name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "="); strings.HasPrefix(w, "-") && !strings.Contains(code, fmt.Sprintf("%q", name)) {
			t.Errorf("%s: no such flag: -%s", command, name)
		}
	}
}

// codeBelow returns the Go code in and below the folders.
func codeBelow(t *testing.T, folders []string) string {
	t.Helper()
	var code bytes.Buffer
	for _, folder := range folders {
		found := false
		err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			found = true
			return err
		})
		if err != nil || !found {
			t.Errorf("there is no Go code in %s: %v", folder, err)
		}
	}
	return code.String()
}

// checkUnits sees whether the units of ours that a command names are shipped.
func checkUnits(t *testing.T, command string, words []string) {
	t.Helper()
	for _, w := range words {
		if !strings.HasPrefix(w, "scribe") {
			continue
		}
		if instance := strings.Index(w, "@"); instance >= 0 {
			w = w[:instance+1] + filepath.Ext(w)
		}
		if filepath.Ext(w) == "" {
			w += ".service"
		}
		if _, err := os.Stat(filepath.Join("..", "packaging", "systemd", w)); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
}
