package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// TestLossesAcrossKills truncates a file of which the agent has read as much as its spool holds, and kills it at some time
// around that, again and again. What was destroyed is in the list of losses once, to the byte.
func TestLossesAcrossKills(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	const width = 1000
	var content []byte
	for i := range 24_000 {
		content = fmt.Appendf(content, "%0*d\n", width-1, i)
	}
	in := c.path("app.log")
	if err := os.WriteFile(in, content, 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("mediators = [%q]\nops = \"off\"\n[spool]\npath = %q\nmax_size = \"16MB\"\ncompression = \"none\"\n[[file]]\npaths = [%q]\nlog = \"app\"\n",
		freeAddr(t), c.path("agent.db"), in)
	if err := os.WriteFile(c.path("agent.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := c.other("scribe-agent", "agent", "-config", c.path("agent.toml"))
	agent.start()
	inspect := func() (lines uint64, losses []spool.Loss) {
		r, err := spool.Inspect(c.path("agent.db"))
		if err != nil {
			return 0, nil // it is being made
		}
		for _, l := range r.Logs {
			lines += l.Lines
		}
		return lines, r.Losses
	}
	before := uint64(0)
	within(t, 60*time.Second, "the spool is full", func() bool {
		time.Sleep(time.Second)
		lines, _ := inspect()
		full := lines > 5_000 && lines == before
		before = lines
		return full
	})
	if err := os.Truncate(in, 0); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		time.Sleep(rand.N(300 * time.Millisecond))
		agent.kill()
		agent.start()
	}
	within(t, 20*time.Second, "the loss is listed", func() bool { _, losses := inspect(); return len(losses) > 0 })
	agent.kill()
	agent.start()
	within(t, 20*time.Second, "the agent starts", func() bool { return agent.saw("agent started") })
	time.Sleep(2 * time.Second) // in which it would find it again
	lines, losses := inspect()
	if lines != before || len(losses) != 1 || losses[0].File != in || losses[0].Reason != spool.Truncated || losses[0].Times != 1 ||
		losses[0].Bytes != uint64(len(content))-lines*width {
		t.Errorf("%d of %d bytes are in the spool, lost: %+v", lines*width, len(content), losses)
	}
	agent.terminate(stopLimit)
}
