package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/ops/opstest"
)

// TestOps runs the three programs, and follows lines from the first metric to the last. Each program is unready as long as
// it can't do its job.
func TestOps(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediatorOps, scribeOps, agentOps := freeAddr(t), freeAddr(t), freeAddr(t)
	mediator := c.addMediator("-ops", mediatorOps, "-health-interval", "200ms")
	expect := func(address, path string, code int, body string) {
		t.Helper()
		var gotCode int
		var gotBody string
		if !eventually(15*time.Second, func() bool {
			gotCode, gotBody = fetch(t, address, path)
			return gotCode == code && strings.HasPrefix(gotBody, body)
		}) {
			t.Fatalf("%s%s: got %d %s, want %d %s", address, path, gotCode, gotBody, code, body)
		}
	}
	expect(mediatorOps, "/readyz", 503, "no Scribe has registered\n")
	expect(mediatorOps, "/healthz", 200, "ok\n")

	// The agent has a backlog of more than half of its spool, and nobody to send it to.
	const lines = 3000
	var text bytes.Buffer
	for n := range lines {
		fmt.Fprintf(&text, "%d %s\n", n, strings.Repeat("x", 990))
	}
	file := c.path("app.log")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	away := freeAddr(t)
	agent := c.newAgent(away, []tailed{{paths: []string{file}, log: "web/app"}})
	small := []string{"-ops", agentOps, "-max-size", "5MB", "-compression", "none"}
	agent.args = append(agent.args, small...)
	agent.start()
	expect(agentOps, "/readyz", 503, "no mediator or Scribe is reached, and more than half of the spool is used: ")
	expect(agentOps, "/healthz", 200, "ok\n")
	agent.terminate(stopLimit)

	c.addScribe(mediator, "-ops", scribeOps, "-size", "1MB")
	expect(mediatorOps, "/readyz", 200, "ok\n")
	expect(scribeOps, "/readyz", 200, "ok\n")
	expect(scribeOps, "/healthz", 200, "ok\n")
	agent.args = append(agent.args, "-mediator", mediator)
	agent.start()
	expect(agentOps, "/readyz", 200, "ok\n")

	// Lines that one agent has read, spooled and shipped are committed. The first agent has spooled some of them.
	if err := appendTo(file, text.Bytes()); err != nil {
		t.Fatal(err)
	}
	c.await([]expectation{fileExpectation(t, "web/app", file)}, 30*time.Second)
	var a, s, m opstest.Values
	within(t, 15*time.Second, "all lines to be counted", func() bool {
		a, s, m = scrape(t, agentOps), scrape(t, scribeOps), scrape(t, mediatorOps)
		return a["logscribe_agent_shipped_lines_total"] == 2*lines && a["logscribe_agent_backlog_lines"] == 0 && m["logscribe_mediator_relayed_blocks_total"] > 0
	})
	read := a.Sum("logscribe_agent_read_lines_total")
	if spooled := a["logscribe_agent_spooled_lines_total"]; read != spooled || read < lines || read > 2*lines {
		t.Errorf("read %v, spooled %v", read, spooled)
	}
	a.Expect(t, opstest.Values{
		"logscribe_agent_backlog_lines": 0, "logscribe_agent_backlog_bytes": a["logscribe_agent_backlog_bytes"],
		"logscribe_agent_backlog_age_seconds": 0, "logscribe_agent_connected": 1,
		"logscribe_agent_shipped_bytes_total": float64(2 * text.Len()),
	})
	s.Expect(t, opstest.Values{
		"logscribe_scribe_committed_lines_total": 2 * lines, "logscribe_scribe_committed_bytes_total": float64(2 * text.Len()),
		fmt.Sprintf("logscribe_scribe_registered{mediator=%q}", mediator): 1,
	})
	m.Expect(t, opstest.Values{`logscribe_mediator_scribes{state="up"}`: 1, `logscribe_mediator_scribe_logs{scribe="scribe1"}`: 1})
	if dropped := a.Sum("logscribe_agent_dropped_lines_total"); dropped != 0 {
		t.Errorf("%v lines are dropped", dropped)
	}
	if s.Sum("logscribe_scribe_rotations_total") < 1 {
		t.Error("no rotation is counted")
	}
	for name, v := range map[string]opstest.Values{
		"logscribe_agent_receipt_seconds_count": a, "logscribe_agent_spool_commit_seconds_count": a, "logscribe_scribe_commit_seconds_count": s,
		"logscribe_scribe_fsync_seconds_count": s, "logscribe_mediator_receipt_seconds_count": m,
	} {
		if v[name] < 1 {
			t.Errorf("%s is %v", name, v[name])
		}
	}

	c.scribes[0].kill()
	expect(mediatorOps, "/readyz", 503, "no Scribe is up\n")
	c.scribes[0].start()
	expect(mediatorOps, "/readyz", 200, "ok\n")
	c.stopAll(stopLimit)
}

// TestOpsOfOneProgram reads the figures of an agent that runs alone, from which those of both ends must agree.
func TestOpsOfOneProgram(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	address := freeAddr(t)
	agent := c.other("scribe-agent", "agent", "-local", c.path("logs"), "-log", "a", "-ops", address)
	agent.stdin = r
	agent.start()
	if _, err := io.WriteString(w, strings.Repeat("line\n", 1000)); err != nil {
		t.Fatal(err)
	}
	var v opstest.Values
	within(t, 15*time.Second, "all lines to be shipped", func() bool {
		if code, _ := fetch(t, address, "/readyz"); code != 200 {
			return false
		}
		v = scrape(t, address)
		return v["logscribe_agent_shipped_lines_total"] == 1000
	})
	v.Expect(t, opstest.Values{
		`logscribe_agent_read_lines_total{source="stdin"}`: 1000, "logscribe_agent_spooled_lines_total": 1000,
		"logscribe_scribe_committed_lines_total": 1000, "logscribe_agent_backlog_lines": 0,
		"logscribe_agent_spooled_bytes_total": 5000, "logscribe_agent_shipped_bytes_total": 5000, "logscribe_scribe_committed_bytes_total": 5000,
	})
	agent.signal(syscall.SIGHUP)
	within(t, 15*time.Second, "the reload to be counted", func() bool {
		v := scrape(t, address)
		return v[`logscribe_agent_config_reloads_total{result="success"}`] == 1 && v["logscribe_agent_config_last_reload_successful"] == 1
	})
	w.Close()
	if code := agent.wait(10 * time.Second); code != 0 {
		t.Errorf("code %d\n%s", code, agent.tail())
	}
}

// TestTakenOpsAddress: an address of the default that is taken is no reason not to work, one that was named is.
func TestTakenOpsAddress(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	other, err := listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	address := other.Addr().String()
	for name, args := range map[string][]string{
		"scribe":          {"-host", "127.0.0.1", "-port", "0", "-path", c.path("root")},
		"scribe-mediator": {"-host", "127.0.0.1", "-port", "0", "-data", c.path("data")},
		"scribe-agent":    {"-mediator", "127.0.0.1:1", "-log", "a", "-spool", c.path("spool.db")},
	} {
		p := c.other(name, name, append(args, "-ops", address)...)
		p.start()
		want := name + ": -ops: can't listen on " + address + ": another process already does; choose another address with -ops, or off\n"
		if code := p.wait(10 * time.Second); code != 1 || p.stderr() != want {
			t.Errorf("%s: code %d\n%s", name, code, p.tail())
		}
	}
}

func appendTo(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// fetch returns the code 0 if nobody answers.
func fetch(t testing.TB, address, path string) (code int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// scrape reads a program's metrics as Prometheus does, and holds them against its rules.
func scrape(t testing.TB, address string) opstest.Values {
	t.Helper()
	code, body := fetch(t, address, "/metrics")
	if code != 200 {
		t.Fatalf("%s/metrics: %d %s", address, code, body)
	}
	return opstest.Parse(t, strings.NewReader(body))
}
