package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/transport/testpki"
)

func certFlags(ca *testpki.CA, pair testpki.Pair) []string {
	return []string{"-ca", ca.File, "-crt", pair.Cert, "-pk", pair.Key}
}

// secured is a cluster whose servers use TLS, and a file to tail.
type secured struct {
	*cluster
	ca       *testpki.CA
	mediator string
	file     *appended
	want     []expectation
}

func newSecured(t *testing.T, flags ...string) *secured {
	t.Helper()
	c, ca := newCluster(t, &normal), testpki.NewCA(t)
	mediator := c.addMediator(append(certFlags(ca, ca.Issue("127.0.0.1")), flags...)...)
	c.addScribe(mediator, append(certFlags(ca, ca.Issue("127.0.0.1")), flags...)...)
	file := newAppended(t, c.path("app.log"))
	file.add(1000)
	return &secured{cluster: c, ca: ca, mediator: mediator, file: file, want: []expectation{file.expectation("tls/app")}}
}

// tail starts the agent with the keys of a [tls] table.
func (s *secured) tail(keys ...string) *proc {
	s.t.Helper()
	p := s.newAgent(s.mediator, []tailed{{paths: []string{s.path("app.log")}, log: "tls/app"}})
	for i := 0; i < len(keys); i += 2 {
		p.env = append(p.env, fmt.Sprintf("SCRIBE_AGENT_%s=%s", strings.ToUpper(keys[i]), keys[i+1]))
	}
	p.start()
	return p
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	pair := s.ca.Issue("agent")
	s.tail("ca", s.ca.File, "crt", pair.Cert, "pk", pair.Key)
	s.check(s.want, patience)
}

func TestOneWayTLS(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "-one-way")
	s.tail("ca", s.ca.File)
	s.check(s.want, patience)
}

// TestTLSWithoutMediator is the smallest setup: a Scribe with a certificate, and an agent that knows its authority.
func TestTLSWithoutMediator(t *testing.T) {
	t.Parallel()
	c, ca := newCluster(t, &normal), testpki.NewCA(t)
	pair := ca.Issue("127.0.0.1")
	scribe, _ := c.addScribe("", "-crt", pair.Cert, "-pk", pair.Key)
	input := c.manyLines(1000)
	agent := c.other("scribe-agent", "agent", "-mediator", scribe, "-ca", ca.File, "-log", "tls/stdin")
	pipe(t, agent, input)
	agent.start()
	if code := agent.wait(20 * time.Second); code != 0 {
		t.Fatalf("exit code %d\n%s", code, agent.tail())
	}
	c.check([]expectation{fileExpectation(t, "tls/stdin", input)}, 0)
}

// TestWrongTLS: an agent that does not get through says why, keeps its lines, and delivers them once it is set right.
func TestWrongTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys    func(ca, other *testpki.CA) []string
		says    string // the agent
		refuses string // the mediator
	}{
		"OtherAuthority": {
			keys: func(_, other *testpki.CA) []string {
				pair := other.Issue("agent")
				return []string{"ca", other.File, "crt", pair.Cert, "pk", pair.Key}
			},
			says: "certificate signed by unknown authority",
		},
		"NoCertificate": {
			keys:    func(ca, _ *testpki.CA) []string { return []string{"ca", ca.File} },
			says:    "the lines wait in the spool",
			refuses: "client didn't provide a certificate",
		},
		"CertificateOfOtherAuthority": {
			keys: func(ca, other *testpki.CA) []string {
				pair := other.Issue("agent")
				return []string{"ca", ca.File, "crt", pair.Cert, "pk", pair.Key}
			},
			says:    "the lines wait in the spool",
			refuses: "certificate signed by unknown authority",
		},
		"InTheClear": {
			keys: func(_, _ *testpki.CA) []string { return nil },
			says: "the lines wait in the spool",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSecured(t)
			agent := s.tail(c.keys(s.ca, testpki.NewCA(t))...)
			within(t, 20*time.Second, "the agent says "+c.says, func() bool { return agent.saw(c.says) })
			within(t, 20*time.Second, "the mediator says "+c.refuses, func() bool { return s.cluster.mediator.saw(c.refuses) })
			agent.terminate(stopLimit)
			if n := outputSize(t, s.roots, "tls/app"); n != 0 {
				t.Errorf("%d bytes arrived", n)
			}
			pair := s.ca.Issue("agent")
			agent.env = []string{"SCRIBE_AGENT_CA=" + s.ca.File, "SCRIBE_AGENT_CRT=" + pair.Cert, "SCRIBE_AGENT_PK=" + pair.Key}
			agent.start()
			s.check(s.want, patience)
		})
	}
}
