package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
)

// Exit codes.
const (
	exitClean   = 0
	exitFailure = 1
	exitUsage   = 2
)

// echoWindow is the time after a first signal in which a second one is taken for an echo of it: timeout(1) sends the
// same signal to the program and to its group.
const echoWindow = 100 * time.Millisecond

// Process is what a running program has besides its settings.
type Process struct {
	Host
	Logger *slog.Logger

	program *Program // with the settings in use; a reload changes it
	tool    bool     // it runs for a person, and SIGHUP ends it
	level   *slog.LevelVar
	reload  atomic.Pointer[Reloader]
	ready   chan struct{} // capacity 1: reload was set
	reloads atomic.Pointer[ops.Reloads]
	manager *manager
	status  *StatusLine
	undo    atomic.Pointer[func()]
}

// Status returns the line in which the program may show how it does while it runs: nil, which shows nothing, unless stderr
// is a terminal and the log is text. Stderr and Logger write above it.
func (p *Process) Status() *StatusLine { return p.status }

// IfAbandoned sets what is called before Main returns without waiting for run, and so while that still runs: to leave a
// terminal as it was.
func (p *Process) IfAbandoned(undo func()) { p.undo.Store(&undo) }

// OnReload sets what reads the settings again at SIGHUP, once at a time: signals that come meanwhile have it done once
// more. What has changed is logged, or why all stays as it was. OnReload may be called until Main returns, and so even while
// run does. Before OnReload SIGHUP waits for it: the settings may have changed since they were read.
func (p *Process) OnReload(reload Reloader) {
	p.reload.Store(&reload)
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// ServeOps begins to serve metrics and health, if the settings have it so, until the end of ctx as those of a program that
// does not stop. The caller shows it the program once that has started, and closes it in the end. Where the user has named
// no address, one that can't be had is said, and no error. From then on the service manager is told of the program, too.
func (p *Process) ServeOps(ctx context.Context) (*ops.Server, error) {
	server, err := ops.Serve(ctx, ops.Config{
		Address: p.program.ops, Must: p.program.opsSetting.From() != "",
		Program: strings.TrimPrefix(p.program.name, "scribe-"), Version: Version(), Logger: p.Logger,
		Reloads: p.Reloads,
	})
	if err == nil {
		p.manager.watch(server)
	}
	return server, err
}

// Waits tells the service manager that the program waits, before it has started, for what may take any time.
func (p *Process) Waits(reason error) { p.manager.waits(reason) }

// Main reads the settings, calls run, and returns the exit code. The context of run ends at the first SIGTERM or SIGINT; at
// the second one, unless it follows at once, Main returns without waiting for run. What run returns because its context has
// ended is a clean stop; any other error is printed.
func (p *Program) Main(host Host, run func(context.Context, *Process) error) int {
	done, err := p.Parse(host)
	if err != nil || done {
		return p.exit(host.Stderr, err)
	}
	proc := &Process{Host: host, program: p, tool: p.tool, level: &slog.LevelVar{}, ready: make(chan struct{}, 1)}
	proc.reloads.Store(&ops.Reloads{Since: time.Now()})
	proc.level.Set(p.level())
	if term, _ := host.LookupEnv("TERM"); term != "dumb" && p.logFormat == "text" && IsTerminal(host.Stderr) {
		proc.status = &StatusLine{out: host.Stderr}
		host.Stderr, proc.Stderr = proc.status, proc.status
	}
	proc.Logger = p.logger(host.Stderr, proc.level)
	proc.manager = newManager(host.LookupEnv, proc.Logger)
	defer proc.manager.leave()
	if p.pprof && p.command == "" { // a command may run beside a program that has the port
		stop, err := ops.ServePprof(p.pport, proc.Logger)
		if err != nil {
			return p.exit(host.Stderr, err)
		}
		defer stop()
	}
	err = proc.supervise(run)
	proc.status.Close()
	return p.exit(host.Stderr, err)
}

// supervise calls run and passes the signals on to it.
func (p *Process) supervise(run func(context.Context, *Process) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, p) }()
	hangups, reloaded := make(chan struct{}, 1), make(chan struct{})
	go func() { defer close(reloaded); p.heed(hangups) }()
	var asked time.Time
	for {
		select {
		case err := <-ended:
			close(hangups)
			<-reloaded
			if ctx.Err() != nil && isCanceled(err) {
				return nil
			}
			return err
		case sig := <-p.Signals:
			switch {
			case sig == syscall.SIGHUP && !p.tool:
				select {
				case hangups <- struct{}{}:
				default: // one is waiting, and will do for both
				}
			case ctx.Err() != nil && time.Since(asked) < echoWindow:
			case ctx.Err() != nil:
				close(hangups)
				if undo := p.undo.Load(); undo != nil {
					(*undo)()
				}
				return fmt.Errorf("%v again: ended at once", sig)
			default:
				p.Logger.Info("stopping; a second signal ends at once", "signal", sig)
				asked = time.Now()
				cancel()
				p.manager.stopping() // after that: a manager that hangs holds it up
			}
		}
	}
}

// isCanceled says whether err is about nothing but the end of a context. Errors that are joined with it still count.
func isCanceled(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err == context.Canceled {
			return true
		}
	}
	return false
}

// exit prints the error and returns the exit code for it.
func (p *Program) exit(stderr io.Writer, err error) int {
	if err == nil {
		return exitClean
	}
	_, _ = fmt.Fprintln(stderr, oneLine(p.name, err))
	if _, ok := errors.AsType[*UsageError](err); ok {
		return exitUsage
	}
	return exitFailure
}

// level returns what -log-level says.
func (p *Program) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(p.logLevel)) // -log-level takes no other than its names
	return level
}

// logger returns the logger that -log-format asks for, of what is at that level or above.
func (p *Program) logger(stderr io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if p.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(stderr, options))
	}
	return slog.New(slog.NewTextHandler(stderr, options))
}
