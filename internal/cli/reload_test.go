package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
)

// reloading is a program that runs with the file scribe.toml.
type reloading struct {
	t       *testing.T
	signals chan os.Signal
	stderr  *buffer
	logger  *slog.Logger
	process *Process
	apply   func(*sample) error
	code    chan int
}

func startReloading(t *testing.T, toml string) *reloading {
	t.Chdir(t.TempDir())
	writeFile(t, "scribe.toml", toml)
	r := &reloading{t: t, signals: make(chan os.Signal), code: make(chan int, 1)}
	r.apply = func(*sample) error { return nil }
	h, _, stderr := host(r.signals, "-config", "scribe.toml")
	r.stderr = stderr
	ready := make(chan struct{})
	go func() {
		r.code <- newSample().Main(h, func(ctx context.Context, p *Process) error {
			p.OnReload(func() (*Program, func() error) {
				fresh := newSample()
				return fresh.Program, func() error { return r.apply(fresh) }
			})
			r.logger, r.process = p.Logger, p
			close(ready)
			return idle(ctx, p)
		})
	}()
	<-ready
	return r
}

// hup changes the file, sends SIGHUP, and returns what is then said.
func (r *reloading) hup(toml string) string {
	r.t.Helper()
	writeFile(r.t, "scribe.toml", toml)
	before := len(r.stderr.String())
	r.signals <- syscall.SIGHUP
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(r.stderr.String()[before:], "\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("nothing is said of a reload")
		}
	}
	return r.stderr.String()[before:]
}

func (r *reloading) stop() {
	r.t.Helper()
	r.signals <- syscall.SIGTERM
	if c := <-r.code; c != 0 {
		r.t.Errorf("code %d: %s", c, r.stderr)
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	base := "path = \"a\"\n[spool]\nmax_size = \"1GB\"\n[[file]]\npaths = [\"x\"]\nlog = \"x\"\n"
	r := startReloading(t, base)
	var applied *sample
	r.apply = func(s *sample) error { applied = s; return nil }
	for _, tc := range []struct{ toml, want string }{
		{base, `msg=reloaded changed=nothing`},
		{strings.Replace(base, "1GB", "2GB", 1), `msg=reloaded changed=spool.max_size`},
		{base, `msg=reloaded changed=spool.max_size`},
		{strings.Replace(base, `log = "x"`, `log = "y"`, 1), `msg=reloaded changed=[[file]]`},
		{base + "[[file]]\npaths = [\"y\"]\nlog = \"y\"\n", `msg=reloaded changed=[[file]]`},
		{"path = ", `error="scribe.toml:1: unexpected EOF`},
		{strings.Replace(base, "max_size", "max_sise", 1), `error="scribe.toml:3: unknown key \"max_sise\" in [spool]; did you mean \"max_size\"?"`},
		{strings.Replace(base, `"a"`, `"b"`, 1), `error="scribe.toml:1: path needs a restart to change from \"a\" to \"b\""`},
		{strings.Replace(base, `path = "a"`, `port = 1`, 1), `error="path needs a restart to change from \"a\" to \"../logs\"; scribe.toml:1: port needs a restart to change from \"8080\" to \"1\""`},
		{base + "[[stdin]]\nlog = \"x\"\n", `error="[[stdin]] needs a restart to change"`},
	} {
		applied = nil
		said := r.hup(tc.toml)
		if !strings.Contains(said, tc.want) || strings.Count(said, "\n") != 1 {
			t.Errorf("said %swant %s", said, tc.want)
		}
		if failed := strings.HasPrefix(tc.want, "error="); failed != (applied == nil) || failed != strings.Contains(said, "level=ERROR") {
			t.Errorf("applied %v: %s", applied, said)
		}
	}
	r.stop()
}

// TestReloadsAreCounted: the figures tell of the last reload, and when the settings in use were read.
func TestReloadsAreCounted(t *testing.T) {
	r := startReloading(t, "")
	start := r.process.Reloads()
	if start.Since.IsZero() || start != (ops.Reloads{Since: start.Since}) {
		t.Errorf("at the start: %+v", start)
	}
	r.hup("colour = 1\n")
	r.hup("path = 1\n")
	if got := r.process.Reloads(); got.Good != 0 || got.Failed != 2 || got.Since != start.Since || got.Error != "scribe.toml:1: path: write a string, not the number 1" {
		t.Errorf("after two bad ones: %+v", got)
	}
	r.hup("")
	if got := r.process.Reloads(); got.Good != 1 || got.Failed != 2 || !got.Since.After(start.Since) || got.Error != "" {
		t.Errorf("after a good one: %+v", got)
	}
	r.stop()
}

func TestReloadThatCannotBeApplied(t *testing.T) {
	r := startReloading(t, "")
	r.apply = func(*sample) error { return errors.New("bad glob") }
	for range 2 { // what was refused is not in use: it is a change the next time too
		said := r.hup("[spool]\nmax_size = \"2GB\"\n")
		if !strings.Contains(said, `level=ERROR msg="reload failed, going on as before" error="bad glob"`) {
			t.Errorf("said %s", said)
		}
		if reason := r.process.ReloadError(); reason != "bad glob" {
			t.Errorf("the reason is %q", reason)
		}
	}
	r.apply = func(*sample) error { return nil }
	if said := r.hup("log_level = \"debug\"\n[spool]\nmax_size = \"2GB\"\n"); !strings.Contains(said, `changed="spool.max_size, log_level"`) {
		t.Errorf("said %s", said)
	}
	if r.logger.Debug("a detail"); !strings.Contains(r.stderr.String(), "a detail") {
		t.Error("the new level is not in force")
	}
	if reason := r.process.ReloadError(); reason != "" {
		t.Errorf("the reason is %q", reason)
	}
	r.stop()
}

// TestReloadsCoalesce sends many signals while one reload hangs: one more follows, with what is in the file then.
func TestReloadsCoalesce(t *testing.T) {
	r := startReloading(t, "")
	begun, may := make(chan int64, 100), make(chan struct{})
	r.apply = func(s *sample) error { begun <- s.size; <-may; return nil }
	r.signals <- syscall.SIGHUP
	<-begun
	for i := range 100 {
		writeFile(t, "scribe.toml", fmt.Sprintf("[spool]\nmax_size = %d\n", i))
		r.signals <- syscall.SIGHUP
	}
	close(may)
	<-begun
	r.stop()
	if n := strings.Count(r.stderr.String(), "msg=reloaded"); n < 2 || n > 3 { // the last signal may be heard while the second one runs
		t.Errorf("reloaded %d times", n)
	}
}

// TestHangupWhileStarting: the settings may have changed since the program has read them.
func TestHangupWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 3)
		h, _, stderr := host(signals)
		reloads := 0
		code := newSample().Main(h, func(ctx context.Context, p *Process) error {
			signals <- syscall.SIGHUP
			signals <- syscall.SIGHUP
			synctest.Wait()
			p.OnReload(func() (*Program, func() error) {
				return newSample().Program, func() error { reloads++; return nil }
			})
			synctest.Wait()
			p.OnReload(*p.reload.Load()) // once more, of which no signal knows
			synctest.Wait()
			signals <- syscall.SIGTERM
			return idle(ctx, p)
		})
		if code != 0 || reloads != 1 || strings.Count(stderr.String(), "msg=reloaded") != 1 {
			t.Errorf("code %d, %d reloads: %s", code, reloads, stderr)
		}
	})
}
