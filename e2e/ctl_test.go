package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// ctlView is what these tests read of scribectl's JSON.
type ctlView struct {
	Mediators []struct {
		Address string
		Logs    int
	}
	Scribes []struct {
		ID, Health, Trouble, Version string
		Down                         float64 `json:"down_seconds"`
		Lines                        int
	}
	Agents []struct {
		Name, State string
		Heard       float64 `json:"heard_seconds_ago"`
		Delivered   int     `json:"delivered_lines"`
		Backlog     int     `json:"backlog_lines"`
		Lag         float64 `json:"backlog_age_seconds"`
	}
	Logs []struct {
		Log, Owner string
		Size       *int `json:"active_file_bytes"`
		Waiting    int  `json:"waiting_lines"`
	}
}

// scribectl runs the program to its end.
func scribectl(t testing.TB, c *cluster, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(c.build.bin(t, "scribectl"), args...)
	cmd.Env = []string{"HOME=" + c.dir}
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// ctlJSON runs it with -o json.
func ctlJSON(t testing.TB, c *cluster, args ...string) (v ctlView) {
	t.Helper()
	code, stdout, stderr := scribectl(t, c, append(args, "-o", "json")...)
	if code != 0 || stderr != "" {
		t.Fatalf("%q: code %d, %s", args, code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, stdout)
	}
	return v
}

// TestScribectl looks on while a Scribe is killed, lines wait for it, and it comes back.
func TestScribectl(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator("-health-interval", "200ms")
	c.addScribe(mediator)
	file := c.path("app.log")
	if err := os.WriteFile(file, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := c.addAgent(mediator, []tailed{{paths: []string{file}, log: "web/app"}})
	look := func(command, what string, seen func(ctlView) bool) (v ctlView) {
		t.Helper()
		if !eventually(30*time.Second, func() bool { v = ctlJSON(t, c, "-mediator", mediator, command); return seen(v) }) {
			t.Fatalf("not seen: %s\n%+v", what, v)
		}
		return v
	}
	v := look("status", "two lines delivered", func(v ctlView) bool {
		return len(v.Scribes) == 1 && v.Scribes[0].Lines == 2 && len(v.Agents) == 1 && v.Agents[0].Delivered == 2
	})
	if v.Mediators[0].Address != mediator || v.Mediators[0].Logs != 1 || v.Scribes[0].Health != "up" || v.Agents[0].State != "ok" || v.Agents[0].Backlog != 0 {
		t.Errorf("got %+v", v)
	}

	killed := time.Now()
	c.scribes[0].kill()
	if err := appendTo(file, []byte("three\nfour\nfive\n")); err != nil {
		t.Fatal(err)
	}
	v = look("status", "lines that wait for a Scribe that is down", func(v ctlView) bool {
		return v.Scribes[0].Health == "down" && v.Agents[0].Backlog == 3 && v.Agents[0].Lag > 0
	})
	if s := v.Scribes[0]; s.ID != "scribe1" || !strings.Contains(s.Trouble, "connection refused") || s.Down <= 0 || s.Down > time.Since(killed).Seconds() {
		t.Errorf("got %+v", s)
	}
	v = look("logs", "the log of the Scribe that is down", func(v ctlView) bool { return len(v.Logs) == 1 && v.Logs[0].Waiting == 3 })
	if l := v.Logs[0]; l.Log != "web/app" || l.Owner != "scribe1" || l.Size != nil {
		t.Errorf("got %+v", l)
	}
	code, stdout, _ := scribectl(t, c, "-mediator", mediator, "status")
	if code != 0 || !strings.Contains(stdout, "\nscribe1  DOWN ") || !strings.Contains(stdout, "connect: connection refused\n") {
		t.Errorf("code %d\n%s", code, stdout)
	}

	c.scribes[0].start()
	look("status", "the backlog to drain", func(v ctlView) bool {
		return v.Scribes[0].Health == "up" && v.Agents[0].Backlog == 0 && v.Agents[0].Delivered == 5
	})
	agent.terminate(stopLimit)
	look("status", "that the agent has stopped", func(v ctlView) bool { return v.Agents[0].State == "stopped" })

	code, stdout, stderr := scribectl(t, c, "-mediator", mediator, "top", "-count", "2", "-every", "200ms", "-o", "json")
	if code != 0 || strings.Count(stdout, "\n") != 2 || stderr != "" {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
	c.stopAll(stopLimit)
	code, stdout, stderr = scribectl(t, c, "-mediator", mediator, "status")
	if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "scribectl: no mediator or Scribe answers: "+mediator+": ") {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
}
