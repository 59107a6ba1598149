package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
)

// inbox is where a service manager gets messages. Nothing waits for it, so that tests may run by a clock of their own.
type inbox struct {
	t    *testing.T
	fd   int
	name string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	b := &inbox{t: t, fd: fd, name: filepath.Join(t.TempDir(), "notify")}
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: b.name}), syscall.SetNonblock(fd, true)); err != nil {
		t.Fatal(err)
	}
	return b
}

// env is the environment of a program that the manager has started.
func (b *inbox) env(watchdog time.Duration) func(string) (string, bool) {
	env := map[string]string{"NOTIFY_SOCKET": b.name}
	if watchdog > 0 {
		env["WATCHDOG_USEC"] = strconv.FormatInt(watchdog.Microseconds(), 10)
	}
	return lookup(env)
}

// got returns the messages since the last call, with | between them. MONOTONIC_USEC has no value there.
func (b *inbox) got() string {
	var all []string
	for buf := make([]byte, 4096); ; {
		n, _, err := syscall.Recvfrom(b.fd, buf, 0)
		if err != nil {
			return strings.Join(all, "|")
		}
		text := strings.TrimSuffix(string(buf[:n]), "\n")
		if before, _, ok := strings.Cut(text, "MONOTONIC_USEC="); ok {
			text = before + "MONOTONIC_USEC"
		}
		all = append(all, strings.ReplaceAll(text, "\n", " "))
	}
}

func (b *inbox) expect(want string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.got(); got != want {
		b.t.Errorf("got  %q\nwant %q", got, want)
	}
}

// shown is a program whose answers a test sets.
type shown struct{ dead, unready atomic.Pointer[string] }

func (s *shown) target() ops.Target {
	of := func(p *atomic.Pointer[string]) func() []string {
		return func() []string {
			if why := p.Load(); why != nil {
				return []string{*why}
			}
			return nil
		}
	}
	return ops.Target{Live: of(&s.dead), Ready: of(&s.unready), Summary: func() string { return "3 lines wait" }}
}

// managed is a program that is told of to an inbox.
func managed(t *testing.T, watchdog time.Duration) (*inbox, *manager, *ops.Server, *buffer) {
	b, log := newInbox(t), &buffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	server, err := ops.Serve(t.Context(), ops.Config{Address: ops.Off, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	m := newManager(b.env(watchdog), logger)
	m.watch(server)
	t.Cleanup(m.leave)
	return b, m, server, log
}

func TestReadyIsSaidWhenReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, server, _ := managed(t, 0)
		b.expect("STATUS=starting")
		time.Sleep(time.Hour) // a start takes as long as it must
		b.expect("")
		why := "no Scribe is up"
		p := &shown{}
		p.unready.Store(&why)
		server.Show(p.target())
		time.Sleep(readyPatience - time.Second)
		b.expect("STATUS=not ready: no Scribe is up; 3 lines wait")
		p.unready.Store(nil)
		time.Sleep(readyEvery)
		b.expect("READY=1 STATUS=3 lines wait")
		time.Sleep(time.Hour)
		b.expect("")
		p.unready.Store(&why)
		time.Sleep(statusEvery)
		b.expect("STATUS=not ready: no Scribe is up; 3 lines wait")
	})
}

// TestNobodyWaitsForEver: what a restart does not mend holds up no boot.
func TestNobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, server, _ := managed(t, 0)
		b.expect("STATUS=starting")
		p, why := &shown{}, "the disk is full"
		p.unready.Store(&why)
		server.Show(p.target())
		time.Sleep(readyEvery)
		b.expect("STATUS=not ready: the disk is full; 3 lines wait")
		time.Sleep(readyPatience - time.Second)
		b.expect("")
		time.Sleep(2 * time.Second)
		b.expect("READY=1")
	})
	synctest.Test(t, func(t *testing.T) {
		b, m, server, _ := managed(t, 0)
		b.expect("STATUS=starting")
		m.waits(errors.New("no room\nfor the spool"))
		time.Sleep(readyPatience - time.Second)
		b.expect("STATUS=waiting: no room; for the spool")
		time.Sleep(2 * time.Second)
		b.expect("READY=1")
		server.Show((&shown{}).target())
		time.Sleep(statusEvery)
		b.expect("STATUS=3 lines wait")
	})
}

// TestLostMessagesAreSaidAgain: who waits for READY would wait for ever.
func TestLostMessagesAreSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m, server, _ := managed(t, 0)
		b.expect("STATUS=starting")
		lose := func(while func()) {
			t.Helper()
			if err := os.Rename(b.name, b.name+".away"); err != nil {
				t.Fatal(err)
			}
			while()
			synctest.Wait()
			if err := os.Rename(b.name+".away", b.name); err != nil {
				t.Fatal(err)
			}
		}
		lose(func() {
			server.Show((&shown{}).target())
			time.Sleep(readyEvery)
		})
		b.expect("")
		time.Sleep(readyEvery)
		b.expect("READY=1 STATUS=3 lines wait")
		m.reloading()
		lose(func() { m.reloaded(errors.New("no such file")) })
		b.expect("RELOADING=1 MONOTONIC_USEC")
		lose(func() { time.Sleep(statusEvery) })
		time.Sleep(statusEvery)
		b.expect("READY=1 STATUS=the last reload failed: no such file; 3 lines wait")
		lose(func() { m.reloaded(nil) })
		m.reloading()
		time.Sleep(statusEvery)
		b.expect("RELOADING=1 MONOTONIC_USEC|STATUS=3 lines wait")
		m.reloaded(nil)
		b.expect("READY=1")
	})
}

// TestSlowSummaryStarvesNoWatchdog: a disk that is slow to say what waits is no main loop that hangs.
func TestSlowSummaryStarvesNoWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watchdog = 30 * time.Second
		b, _, server, _ := managed(t, watchdog)
		slow := make(chan struct{})
		defer close(slow)
		target := (&shown{}).target()
		target.Summary = func() string { <-slow; return "" }
		server.Show(target)
		for range 4 {
			time.Sleep(watchdog)
			synctest.Wait()
			if got := b.got(); !strings.Contains(got, "WATCHDOG=1") {
				t.Errorf("not fed within its time: %q", got)
			}
		}
	})
}

func TestWatchdogIsFedByProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watchdog = 15 * time.Second
		b, _, server, log := managed(t, watchdog)
		p := &shown{}
		server.Show(p.target())
		time.Sleep(statusEvery)
		synctest.Wait()
		b.got()
		fed := func() int {
			time.Sleep(watchdog)
			synctest.Wait()
			return strings.Count(b.got(), "WATCHDOG=1")
		}
		for range 3 {
			if n := fed(); n < feedings-1 {
				t.Errorf("fed %d times within its time", n)
			}
		}
		why := "the goroutine that ships has been at one thing for 1m1s"
		p.dead.Store(&why)
		fed()
		if n := fed(); n != 0 {
			t.Errorf("fed %d times for a program that does not live", n)
		}
		if n := strings.Count(log.String(), why); n != 1 {
			t.Errorf("said %d times: %s", n, log)
		}
		p.dead.Store(nil)
		fed()
		if n := fed(); n < feedings-1 {
			t.Errorf("fed %d times for a program that lives again", n)
		}
	})
}

func TestReloadAndStopAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInbox(t)
		signals := make(chan os.Signal)
		h, _, stderr := host(signals, "-ops", "off")
		h.LookupEnv = b.env(0)
		var refuse error
		code := newSample().Main(h, func(ctx context.Context, proc *Process) error {
			server, err := proc.ServeOps(ctx)
			if err != nil {
				return err
			}
			b.expect("STATUS=starting")
			p, why := &shown{}, "no Scribe is up"
			p.unready.Store(&why)
			server.Show(p.target())
			time.Sleep(readyEvery)
			proc.OnReload(func() (*Program, func() error) {
				return newSample().Program, func() error { return refuse }
			})
			b.expect("STATUS=not ready: no Scribe is up; 3 lines wait")
			signals <- syscall.SIGHUP
			b.expect("") // it is still starting
			p.unready.Store(nil)
			time.Sleep(readyEvery)
			b.expect("READY=1 STATUS=3 lines wait")
			signals <- syscall.SIGHUP
			b.expect("RELOADING=1 MONOTONIC_USEC|READY=1")
			refuse = errors.New("no such\nfile")
			signals <- syscall.SIGHUP
			time.Sleep(statusEvery)
			b.expect("RELOADING=1 MONOTONIC_USEC|READY=1|STATUS=the last reload failed: no such; file; 3 lines wait")
			refuse = nil
			signals <- syscall.SIGHUP
			time.Sleep(statusEvery)
			b.expect("RELOADING=1 MONOTONIC_USEC|READY=1|STATUS=3 lines wait")
			signals <- syscall.SIGTERM
			<-ctx.Done()
			p.unready.Store(&why)
			time.Sleep(time.Minute)
			b.expect("STOPPING=1 STATUS=stopping")
			return nil
		})
		if code != 0 {
			t.Errorf("code %d: %s", code, stderr)
		}
		b.expect("")
	})
}

// TestNoServiceManager: without one nothing is looked at, and nothing said; nor is a program refused for what it does not understand.
func TestNoServiceManager(t *testing.T) {
	for env, said := range map[string]string{
		"":              "",
		"NOTIFY_SOCKET": "level=WARN msg=\"the service manager is not told how the program does\" error=\"NOTIFY_SOCKET: \\\"vsock:2\\\" is neither a path nor an abstract socket\"",
		"WATCHDOG_USEC": "level=WARN msg=\"the service manager's watchdog is not fed\" error=\"WATCHDOG_USEC: \\\"vsock:2\\\" is no time in microseconds\"",
	} {
		h, _, stderr := host(nil, "-ops", "off")
		h.LookupEnv = lookup(map[string]string{env: "vsock:2"})
		code := newSample().Main(h, func(ctx context.Context, proc *Process) error {
			server, err := proc.ServeOps(ctx)
			if err != nil {
				return err
			}
			server.Show(ops.Target{Live: func() []string { t.Error("it is asked"); return nil }})
			proc.Waits(errors.New("no room"))
			proc.manager.reloading()
			proc.manager.reloaded(nil)
			return nil
		})
		if code != 0 || !strings.Contains(stderr.String(), said) || said == "" && stderr.String() != "" {
			t.Errorf("%s: code %d, %s", env, code, stderr)
		}
	}
}
