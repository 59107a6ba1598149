package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestSpoolIsRead reads a spool with commands while others read it, while an agent starts with it, and while it is used.
// Who must wait waits, and who is refused is told by whom.
func TestSpoolIsRead(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	spool, nobody := c.path("spool.db"), freeAddr(t)
	first := c.other("scribe-agent", "first", "-mediator", nobody, "-log", "web/access", "-spool", spool, "-drain-timeout", "1ms")
	pipe(t, first, c.tagged("line", 20_000))
	first.start()
	if code := first.wait(20 * time.Second); code != 1 {
		t.Fatalf("exit code %d\n%s", code, first.tail())
	}

	export := exec.Command(first.bin, "spool", "export", spool)
	export.SysProcAttr = attributes()
	lines, err := export.StdoutPipe() // it takes some, and then the command waits
	if err != nil {
		t.Fatal(err)
	}
	if err := export.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	c.command(t, spool, "verify", 0, "sound: 20000 lines")
	c.command(t, spool, "inspect", 0, "lines        20000")
	agent := c.other("scribe-agent", "agent", "-mediator", nobody, "-log", "web/access", "-spool", spool)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	agent.stdin = in
	agent.start()
	reader := fmt.Sprintf("process %d (scribe-agent spool export %s)", export.Process.Pid, spool)
	within(t, 20*time.Second, "the agent says what it waits for", func() bool { return agent.saw("is being read") && agent.saw(reader) })
	if rest, err := io.Copy(io.Discard, lines); err != nil || rest == 0 {
		t.Errorf("%d bytes more, %v", rest, err)
	}
	if err := export.Wait(); err != nil {
		t.Error(err)
	}
	within(t, 20*time.Second, "the agent starts", func() bool { return agent.saw("agent started") })
	if n := strings.Count(agent.stderr(), "is being read"); n != 1 {
		t.Errorf("it said so %d times", n)
	}

	holder := fmt.Sprintf("an agent holds the spool: process %d (scribe-agent -mediator", agent.cmd.Process.Pid)
	c.command(t, spool, "inspect", 0, fmt.Sprintf("in use: process %d (scribe-agent -mediator", agent.cmd.Process.Pid))
	for _, verb := range []string{"verify", "export", "repair"} {
		c.command(t, spool, verb, 1, holder, "stop it first")
	}
	second := c.other("scribe-agent", "second", "-mediator", nobody, "-log", "web/access", "-spool", spool)
	second.start()
	if code := second.wait(20 * time.Second); code != 1 || !second.saw("another agent holds the spool: process ") {
		t.Errorf("exit code %d\n%s", code, second.tail())
	}
	agent.kill() // leaves nothing that is in the way
	c.command(t, spool, "verify", 0, "sound: 20000 lines")
}

// command runs scribe-agent spool, and fails the test unless it ends with that code and says that.
func (c *cluster) command(t *testing.T, spool, verb string, code int, says ...string) {
	t.Helper()
	p := c.other("scribe-agent", fmt.Sprintf("%s-%d", verb, len(c.others)), "spool", verb, spool)
	p.start()
	if got := p.wait(20 * time.Second); got != code {
		t.Errorf("%s: exit code %d\n%s", verb, got, p.tail())
	}
	for _, text := range says {
		if !strings.Contains(p.stdout()+p.stderr(), text) {
			t.Errorf("%s: %q is not in %s%s", verb, text, p.stdout(), p.stderr())
		}
	}
}
