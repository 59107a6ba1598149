package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSpoolOverwritten writes over the spool's file while an agent uses it, under load: cuts it, puts garbage into it, or
// another spool over it. The agent may notice or not; if it does it must end with an error that says what to do, and
// never crash or hang. The next start must do what when_damaged says.
func TestSpoolOverwritten(t *testing.T) {
	t.Parallel()
	rounds := 20
	if *long {
		rounds = 200
	}
	c := newCluster(t, &normal)
	scribe, _ := c.addScribe("")
	saved := map[string]string{"agent": c.path("saved.db"), "another": c.path("another.db")}
	for name, path := range saved {
		c.backlog(name, path, 20_000)
	}
	seed := newSeed()
	ended := 0
	for round := range rounds {
		if c.overwrite(t, scribe, saved, seed+uint64(round)) {
			ended++
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("in %d of %d rounds the agent has ended", ended, rounds)
	if ended < rounds/4 {
		t.Error("the damage was hardly ever met: the test tests nothing")
	}
}

// backlog makes a spool with lines that nobody has taken.
func (c *cluster) backlog(name, path string, lines int) {
	c.t.Helper()
	p := c.other("scribe-agent", "first-"+name, "-mediator", freeAddr(c.t), "-log", "web/access", "-spool", path, "-drain-timeout", "1ms")
	pipe(c.t, p, c.tagged(name, lines))
	p.start()
	if code := p.wait(20 * time.Second); code != 1 {
		c.t.Fatalf("exit code %d\n%s", code, p.tail())
	}
}

// overwrite does one round, and says whether the agent has ended.
func (c *cluster) overwrite(t *testing.T, scribe string, saved map[string]string, seed uint64) (ended bool) {
	random := rand.New(rand.NewPCG(seed, 0))
	spool := c.path(fmt.Sprintf("spool-%d.db", seed))
	c.copyTo(spool, saved["agent"])
	destination := scribe
	if random.IntN(2) == 0 {
		destination = freeAddr(t) // nothing leaves
	}
	args := []string{"-mediator", destination, "-log", "web/access", "-spool", spool, "-drain-timeout", "1ms"}
	p := c.other("scribe-agent", fmt.Sprint("round-", seed), args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	p.stdin = r
	p.start()
	r.Close() // the agent has it
	go feed(w)
	time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
	what := damageFile(t, spool, saved["another"], random)
	if eventually(3*time.Second, func() bool { return !p.running() }) {
		ended = true
	} else if p.signal(syscall.SIGTERM); !eventually(10*time.Second, func() bool { return !p.running() }) {
		p.signal(syscall.SIGQUIT) // says where it hangs
		p.wait(10 * time.Second)
	}
	code := p.exitCode()
	if crash := p.crashed(); crash != "" || code != 0 && code != 1 {
		t.Errorf("seed %d, %s: exit code %d\n%s\n%s", seed, what, code, crash, p.tail())
	}
	if ended && !p.saw("scribe-agent spool repair "+spool) {
		t.Errorf("seed %d, %s: it was not said what to do\n%s", seed, what, p.tail())
	}

	for _, remedy := range []string{"refuse", "set_aside"} {
		again := c.other("scribe-agent", fmt.Sprint("again-", remedy, "-", seed), append(slices.Clone(args), "-when-damaged", remedy)...)
		pipe(t, again, c.tagged("more", 10))
		again.start()
		code := again.wait(30 * time.Second)
		refused := again.saw("scribe-agent spool repair " + spool)
		if crash := again.crashed(); crash != "" || code > 1 || refused && (code != 1 || remedy != "refuse") {
			t.Errorf("seed %d, %s, then %s: exit code %d\n%s\n%s", seed, what, remedy, code, crash, again.tail())
		}
	}
	if !t.Failed() {
		os.Remove(spool)
	}
	return ended
}

// feed writes lines until nobody reads them any more.
func feed(w io.Writer) {
	line := strings.Repeat("x", 200) + "\n"
	for {
		if _, err := io.WriteString(w, strings.Repeat(line, 50)); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// damageFile writes over a file that is in use, and says how.
func damageFile(t *testing.T, path, another string, random *rand.Rand) (what string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	pages := int(info.Size()) / 4096
	garbage := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	switch random.IntN(6) {
	case 0:
		what, err = "cut to nothing", f.Truncate(0)
	case 1:
		what, err = "cut to 64K", f.Truncate(64<<10)
	case 2:
		what = "pages overwritten one after the other"
		for range 300 {
			_, e := f.WriteAt(garbage(4096), int64(random.IntN(pages))*4096)
			err = errors.Join(err, e)
			time.Sleep(time.Millisecond)
		}
	case 3:
		what = "overwritten by garbage"
		_, err = f.WriteAt(garbage(int(info.Size())), 0)
	case 4:
		what = "overwritten by another spool"
		var b []byte
		if b, err = os.ReadFile(another); err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
	case 5:
		what = "cut and restored, again and again"
		var b []byte
		b, err = os.ReadFile(path)
		for range 50 {
			err = errors.Join(err, f.Truncate(int64(random.IntN(pages))*4096))
			_, e := f.WriteAt(b, 0)
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return what
}
