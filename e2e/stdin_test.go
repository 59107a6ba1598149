package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// pipe makes a program read a file through a pipe, as from an application. The writer ends with the program.
func pipe(t testing.TB, p *proc, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = r
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		defer w.Close()
		_, _ = io.Copy(w, struct{ io.Reader }{f}) // an early end of the program shows in its own result
	}()
	t.Cleanup(func() {
		p.kill()
		<-done
	})
}

// manyLines writes the input of a test, and returns its path.
func (c *cluster) manyLines(n int) (path string) {
	c.t.Helper()
	path = c.path("input")
	if _, err := realistic().write(path, n); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func stdinLines() int {
	if *long {
		return 1_000_000
	}
	return 200_000
}

func TestStdinLocal(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	input, root := c.manyLines(stdinLines()), c.path("root")
	agent := c.other("scribe-agent", "agent", "-local", root, "-log", "web/access", "-size", "10MB")
	pipe(t, agent, input)
	began := time.Now()
	agent.start()
	if code := agent.wait(2 * time.Minute); code != 0 {
		t.Fatalf("exit code %d\n%s", code, agent.tail())
	}
	t.Logf("%d lines in %v", stdinLines(), time.Since(began).Round(time.Millisecond))
	c.roots = []string{root}
	if files := outputFiles(t, root, "web/access"); len(files) < 3 {
		t.Errorf("%d files, so that it was not rotated", len(files))
	}
	c.check([]expectation{fileExpectation(t, "web/access", input)}, 0)
}

func TestStdinThroughMediator(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	input := c.manyLines(stdinLines())
	mediator := c.addMediator()
	c.addScribe(mediator, "-size", "10MB")
	agent := c.other("scribe-agent", "agent", "-mediator", mediator, "-log", "web/access", "-tee")
	pipe(t, agent, input)
	began := time.Now()
	agent.start()
	if code := agent.wait(2 * time.Minute); code != 0 {
		t.Fatalf("exit code %d\n%s", code, agent.tail())
	}
	t.Logf("%d lines in %v", stdinLines(), time.Since(began).Round(time.Millisecond))
	want := fileExpectation(t, "web/access", input)
	if d := compare(want, []byte(agent.stdout())); d != nil {
		t.Errorf("-tee: %v", d)
	}
	c.check([]expectation{want}, 0)
}

// TestStdinWithoutNewline is about the last line of an application that died in the middle of it.
func TestStdinWithoutNewline(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	input, root := c.path("input"), c.path("root")
	if err := os.WriteFile(input, []byte("whole\r\n\x00half"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := c.other("scribe-agent", "agent", "-local", root, "-log", "app")
	pipe(t, agent, input)
	agent.start()
	if code := agent.wait(20 * time.Second); code != 0 {
		t.Fatalf("exit code %d\n%s", code, agent.tail())
	}
	if got := string(output(t, []string{root}, "app")); got != "whole\r\n\x00half\n" {
		t.Errorf("got %q", got)
	}
}

// TestStdinMediatorDown: what can't be delivered in time is told, kept, and delivered by the next start.
func TestStdinMediatorDown(t *testing.T) {
	t.Parallel()
	const lines = 5000
	c := newCluster(t, &normal)
	input, spool, nobody := c.manyLines(lines), c.path("spool.db"), freeAddr(t)
	agent := c.other("scribe-agent", "agent", "-mediator", nobody, "-log", "web/access", "-spool", spool, "-drain-timeout", "1s")
	pipe(t, agent, input)
	agent.start()
	if code := agent.wait(20 * time.Second); code != 1 {
		t.Fatalf("exit code %d, want 1\n%s", code, agent.tail())
	}
	last := lastLine(agent.stderr())
	if !strings.Contains(last, strconv.Itoa(lines)+" lines") || !strings.Contains(last, spool) {
		t.Errorf("the last message must name %d lines and %s: %s", lines, spool, last)
	}

	scribe, _ := c.addScribe("", "-size", "100kB")
	next := c.other("scribe-agent", "next", "-mediator", scribe, "-log", "web/access", "-spool", spool)
	next.start() // without any input
	if code := next.wait(20 * time.Second); code != 0 {
		t.Fatalf("exit code %d\n%s", code, next.tail())
	}
	c.check([]expectation{fileExpectation(t, "web/access", input)}, 0)
}

// TestStdinKilled: an agent that is killed loses nothing of what it has spooled, and the next start with the same spool
// delivers it.
func TestStdinKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	input, kept, nobody := c.manyLines(20_000), c.path("spool.db"), freeAddr(t)
	agent := c.other("scribe-agent", "agent", "-mediator", nobody, "-log", "web/access", "-spool", kept)
	pipe(t, agent, input)
	agent.start()
	within(t, 20*time.Second, "a large spool", func() bool {
		info, err := os.Stat(kept)
		return err == nil && info.Size() > 100_000
	})
	agent.kill()
	spooled := linesIn(t, kept)
	scribe, root := c.addScribe("")
	next := c.other("scribe-agent", "next", "-mediator", scribe, "-log", "web/access", "-spool", kept)
	next.start()
	if code := next.wait(20 * time.Second); code != 0 {
		t.Fatalf("exit code %d\n%s", code, next.tail())
	}
	got := output(t, []string{root}, "web/access")
	if d := compare(fileExpectation(t, "web/access", input), got); d != nil && !d.missing {
		t.Error(d)
	}
	if lines := int64(bytes.Count(got, []byte("\n"))); lines != spooled || len(got) > 0 && got[len(got)-1] != '\n' {
		t.Errorf("%d lines arrived of %d that were spooled", lines, spooled)
	}
}

// linesIn returns the number of lines in a spool that no agent has open.
func linesIn(t *testing.T, path string) int64 {
	t.Helper()
	s, err := spool.Open(path, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Lines()
}

// TestStdinThroughKills: the agent lives, and all else dies again and again.
func TestStdinThroughKills(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	input := c.manyLines(50_000)
	text, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	mediator := c.addMediator()
	c.addScribe(mediator, "-size", "300kB")
	agent := c.other("scribe-agent", "agent", "-mediator", mediator, "-log", "web/access")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	agent.stdin = r
	agent.start()
	for i := range 20 {
		n := len(text) / (20 - i)
		if _, err := w.Write(text[:n]); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
		victim := []*proc{c.scribes[0], c.mediator}[i%2]
		time.Sleep(time.Duration(i*5) * time.Millisecond)
		victim.kill()
		victim.start()
	}
	w.Close()
	if code := agent.wait(time.Minute); code != 0 {
		t.Fatalf("exit code %d\n%s", code, agent.tail())
	}
	c.check([]expectation{fileExpectation(t, "web/access", input)}, 0)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// TestStdinOneLine is a cron job, whose every run is an agent of its own on the same spool.
func TestStdinOneLine(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator()
	_, root := c.addScribe(mediator)
	var want strings.Builder
	for i := range 3 {
		line := fmt.Sprintf("run %d\n", i)
		want.WriteString(line)
		if err := os.WriteFile(c.path("input"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		agent := c.other("scribe-agent", fmt.Sprintf("run%d", i), "-mediator", mediator, "-log", "cron/job", "-spool", c.path("spool.db"))
		pipe(t, agent, c.path("input"))
		began := time.Now()
		agent.start()
		if code := agent.wait(20 * time.Second); code != 0 {
			t.Fatalf("exit code %d\n%s", code, agent.tail())
		}
		t.Logf("one line took %v", time.Since(began).Round(time.Millisecond))
		if got := string(output(t, []string{root}, "cron/job")); got != want.String() {
			t.Errorf("got %q, want %q", got, want.String())
		}
	}
}
