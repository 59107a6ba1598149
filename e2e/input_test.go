package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/transport/testpki"
)

// refusal is a call of a program that must end with one clear line.
type refusal struct {
	name    string
	program string
	args    []string
	config  string // the contents of the file that "CONFIG" among the arguments stands for
	code    int
	says    []string // what the line must name
}

// TestBadInput: whatever is wrong with what a user has typed is told in one line that names it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	taken, err := net.Listen("tcp", freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	held := c.holdSpool()
	nobody := freeAddr(t)
	ca := testpki.NewCA(t)
	one, two := ca.Issue("127.0.0.1"), ca.Issue("127.0.0.1")
	notPEM := c.path("not.pem")
	if err := os.WriteFile(notPEM, []byte("nothing of use\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	refusals := []refusal{
		{"UnknownFlag", "scribe", []string{"-sise", "1MB"}, "", 2, []string{"-sise", "-size"}},
		{"UnknownFlagOfMediator", "scribe-mediator", []string{"--dta", "x"}, "", 2, []string{"dta", "-data"}},
		{"UnknownFlagOfAgent", "scribe-agent", []string{"-mediators", nobody}, "", 2, []string{"-mediators", "-mediator"}},
		{"MissingValue", "scribe", []string{"-size"}, "", 2, []string{"-size"}},
		{"SizeThatIsNone", "scribe", []string{"-size", "1XB"}, "", 2, []string{"-size", "1XB"}},
		{"SizeWithoutNumber", "scribe", []string{"-size", "MB"}, "", 2, []string{"-size", "MB"}},
		{"SizeBelowUnlimited", "scribe", []string{"-size", "-2MB"}, "", 2, []string{"-size", "-2MB"}},
		{"PortTooHigh", "scribe", []string{"-port", "70000"}, "", 2, []string{"-port", "70000"}},
		{"PortThatIsNone", "scribe-mediator", []string{"-port", "http"}, "", 2, []string{"-port", "http"}},
		{"AddressWithoutPort", "scribe-agent", []string{"-mediator", "localhost", "-log", "a"}, "", 2, []string{"-mediator", "localhost"}},
		{"Argument", "scribe", []string{"logs"}, "", 2, []string{"logs"}},
		{"Duration", "scribe-mediator", []string{"-failover-after", "5"}, "", 2, []string{"-failover-after", "5"}},
		{"LogLevel", "scribe", []string{"-log-level", "loud"}, "", 2, []string{"-log-level", "loud"}},

		{"NoConfig", "scribe", []string{"-config", c.path("nothing.toml")}, "", 2, []string{"nothing.toml"}},
		{"UnknownKey", "scribe", []string{"-config", "CONFIG"}, "port = 8080\nsise = \"1MB\"\n", 2, []string{"sise", "2", "size"}},
		{"UnknownKeyInTable", "scribe-agent", []string{"-config", "CONFIG"}, "mediators = [\"a:1\"]\n[[file]]\npats = [\"x\"]\nlog = \"a\"\n", 2, []string{"pats", "3", "paths"}},
		{"UnknownTable", "scribe-agent", []string{"-config", "CONFIG"}, "[[files]]\npaths = [\"x\"]\n", 2, []string{"files", "file"}},
		{"BrokenTOML", "scribe-agent", []string{"-config", "CONFIG"}, "mediators = [\"a:1\"\nname = x\n", 2, []string{"agent.toml"}},
		{"WrongType", "scribe", []string{"-config", "CONFIG"}, "port = \"many\"\n", 2, []string{"port", "many"}},
		{"BadGlob", "scribe-agent", []string{"-config", "CONFIG"}, "mediators = [\"a:1\"]\n[[file]]\npaths = [\"/x/[a\"]\nlog = \"a\"\n", 2, []string{"paths", "[a"}},
		{"BadTemplate", "scribe-agent", []string{"-config", "CONFIG"}, "mediators = [\"a:1\"]\n[[file]]\npaths = [\"/x\"]\nlog = \"{hst}/a\"\n", 2, []string{"{hst}"}},
		{"BadLogInConfig", "scribe-agent", []string{"-config", "CONFIG"}, "mediators = [\"a:1\"]\n[[file]]\npaths = [\"/x\"]\nlog = \"../a\"\n", 2, []string{"../a"}},
		{"NoSources", "scribe-agent", []string{"-mediator", nobody}, "", 2, []string{"-log"}},
		{"NoDestination", "scribe-agent", []string{"-log", "a"}, "", 2, []string{"-mediator"}},
		{"TwoDestinations", "scribe-agent", []string{"-log", "a", "-local", "x", "-mediator", nobody}, "", 2, []string{"-local", "-mediator"}},

		{"PortInUse", "scribe", []string{"-host", "127.0.0.1", "-port", port, "-path", c.path("r1")}, "", 1, []string{port}},
		{"PortInUseByMediator", "scribe-mediator", []string{"-host", "127.0.0.1", "-port", port, "-data", c.path("m1")}, "", 1, []string{port}},
		{"SpoolHeld", "scribe-agent", []string{"-mediator", nobody, "-log", "a", "-spool", held}, "", 1, []string{held, "another agent"}},
		{"SpoolThatIsNone", "scribe-agent", []string{"-mediator", nobody, "-log", "a", "-spool", notPEM}, "", 1, []string{notPEM}},
		{"RootIsFile", "scribe", []string{"-port", "0", "-path", notPEM}, "", 1, []string{notPEM}},
		{"DataIsFile", "scribe-mediator", []string{"-port", "0", "-data", notPEM}, "", 1, []string{notPEM}},

		{"KeyOfOtherCertificate", "scribe", []string{"-port", "0", "-path", c.path("r2"), "-ca", ca.File, "-crt", one.Cert, "-pk", two.Key}, "", 2, []string{one.Cert, two.Key}},
		{"KeyOfOtherCertificateOfAgent", "scribe-agent", []string{"-mediator", nobody, "-log", "a", "-ca", ca.File, "-crt", one.Cert, "-pk", two.Key}, "", 2, []string{one.Cert, two.Key}},
		{"CertificateWithoutKey", "scribe-mediator", []string{"-data", c.path("m2"), "-crt", one.Cert}, "", 2, []string{"pk"}},
		{"AuthorityThatIsNone", "scribe-agent", []string{"-mediator", nobody, "-log", "a", "-ca", notPEM}, "", 2, []string{notPEM}},
		{"AuthorityMissing", "scribe-agent", []string{"-mediator", nobody, "-log", "a", "-ca", c.path("no.pem")}, "", 2, []string{"no.pem"}},
	}
	for _, bad := range badLogNames() {
		refusals = append(refusals, refusal{
			bad.name, "scribe-agent", []string{"-mediator", nobody, "-log", bad.log}, "", 2, []string{"-log", bad.says},
		})
	}
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) { c.refuses(t, r) })
	}
}

type badLogName struct{ name, log, says string }

func badLogNames() []badLogName {
	return []badLogName{
		{"LogOutside", "../etc/passwd", `".."`},
		{"LogOutsideLater", "web/../../etc/passwd", `".."`},
		{"LogDot", "web/./access", `"."`},
		{"LogAbsolute", "/etc/passwd", "absolute"},
		{"LogEmpty", "", "-log"},
		{"LogEmptyElement", "web//access", "empty element"},
		{"LogEndsWithSlash", "web/", "empty element"},
		{"LogTooLong", "web/" + strings.Repeat("x", 300), "longer"},
		{"LogControlCharacter", "web/acc\ness", "control character"},
		{"LogNotUTF8", "web/\xff", "UTF-8"},
		{"LogInStateFolder", ".scribe/ledger", ".scribe"},
		{"LogLikeRotated", "web/access_20060102T150405.000000Z", "rotated"},
	}
}

// refuses calls the program, and fails the test unless it ends as it must.
func (c *cluster) refuses(t *testing.T, r refusal) {
	t.Helper()
	p := c.proc(r.program, r.name)
	p.t = t
	for _, arg := range r.args {
		if arg == "CONFIG" {
			arg = c.path(r.name, "agent.toml")
			if err := os.WriteFile(arg, []byte(r.config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p.args = append(p.args, arg)
	}
	defer p.cleanUp()
	p.start()
	if code := p.wait(20 * time.Second); code != r.code {
		t.Errorf("exit code %d, want %d", code, r.code)
	}
	text := strings.TrimSuffix(p.stderr(), "\n")
	if text == "" || strings.Contains(text, "\n") || len(text) > 600 {
		t.Errorf("this is not one line:\n%s", p.stderr())
	}
	if !strings.HasPrefix(text, r.program+": ") {
		t.Errorf("the line must begin with the program's name: %s", text)
	}
	for _, says := range r.says {
		if !strings.Contains(text, says) {
			t.Errorf("the line must name %q: %s", says, text)
		}
	}
}

// holdSpool starts an agent and returns the path of its spool.
func (c *cluster) holdSpool() string {
	c.t.Helper()
	c.addAgent(freeAddr(c.t), []tailed{{paths: []string{c.path("*.log")}, log: "held/{stem}"}})
	within(c.t, 20*time.Second, "agent starts", func() bool { return c.agents[0].saw("agent started") })
	return c.spool("agent1")
}

// TestValidate: the command checks all, prints what would be tailed, and changes nothing.
func TestValidate(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	newAppended(t, c.path("web.log")).add(1)
	agent := c.newAgent(freeAddr(t), []tailed{{paths: []string{c.path("*.log")}, log: "in/{stem}"}})
	agent.args = append([]string{"validate"}, agent.args...)
	agent.start()
	if code := agent.wait(20 * time.Second); code != 0 {
		t.Fatalf("exit code %d\n%s", code, agent.tail())
	}
	if want := fmt.Sprintf("%s -> in/web", c.path("web.log")); !strings.Contains(agent.stdout(), want) {
		t.Errorf("%q is not in:\n%s", want, agent.stdout())
	}
	if _, err := os.Stat(c.spool("agent1")); err == nil {
		t.Error("it made a spool")
	}
}
