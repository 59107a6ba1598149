// Scribe-agent ships log lines: it tails files or reads standard input, keeps whole lines in a spool on local disk, and
// deletes them there once they are safe on a Scribe's disk.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logscribe/logscribe/agent"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/scribe"
	"github.com/logscribe/logscribe/scribe/store"
)

func main() { os.Exit(run(cli.OS())) }

func run(host cli.Host) int {
	c := &config{host: host}
	p := c.program()
	return p.Main(host, func(ctx context.Context, proc *cli.Process) error {
		switch p.Command() {
		case "validate":
			if c.quiet {
				return nil // they are right
			}
			return c.validate(proc.Stdout, installedSandbox())
		case "explain":
			return c.explain(proc.Stdout, p.Operands())
		case "spool":
			return c.spoolCommand(ctx, proc)
		case "loss":
			return c.lossCommand(proc.Stdout)
		}
		if len(c.stdins) > 0 && cli.IsTerminal(proc.Stdin) {
			fmt.Fprintln(proc.Stderr, "scribe-agent: reading lines from the terminal; end with Ctrl-D")
		}
		server, err := proc.ServeOps(ctx)
		if err != nil {
			return err
		}
		defer server.Close()
		if c.local != "" {
			return c.runLocal(ctx, proc, server)
		}
		return c.runAgent(ctx, proc, server, c.agent(proc), nil)
	})
}

// agent returns the settings in the form that package agent takes.
func (c *config) agent(proc *cli.Process) agent.Config {
	cfg := c.plan()
	cfg.Logger, cfg.Waits, cfg.ReloadError = proc.Logger, proc.Waits, proc.ReloadError
	if cfg.Stdin != nil {
		cfg.Stdin.Reader = proc.Stdin
		if c.tee {
			cfg.Stdin.Tee = proc.Stdout
		}
	}
	return cfg
}

// tailingGC is how much garbage, in percent of what lives, an agent that tails files lets gather. What lives in it is
// mostly what it knows of files, and with very many of them as much again would be wasted; reading costs no more by it.
const tailingGC = 25

// runAgent runs the agent, and shows it to operators with the Scribe in the same process, if there is one.
func (c *config) runAgent(ctx context.Context, proc *cli.Process, server *ops.Server, cfg agent.Config, local *scribe.Embedded) error {
	if _, set := c.host.LookupEnv("GOGC"); !set && len(c.files) > 0 {
		debug.SetGCPercent(tailingGC)
	}
	a, err := agent.Start(ctx, cfg)
	if errors.Is(err, context.Canceled) {
		return nil // a clean stop before there was room
	}
	if err != nil {
		return err
	}
	proc.OnReload(func() (*cli.Program, func() error) {
		fresh := &config{host: c.host}
		return fresh.program(), func() error { return a.Reload(fresh.agent(proc)) }
	})
	server.Show(target(a, local))
	proc.Logger.Info("agent started", c.about()...)
	if c.showsStatus(proc) {
		defer showProgress(proc, a.Progress)()
	}
	return a.Run(ctx)
}

// target is what operators see.
func target(a *agent.Agent, local *scribe.Embedded) ops.Target {
	t := ops.Target{Collectors: []prometheus.Collector{a.Collector()}, Live: a.Live, Ready: a.Ready, Summary: a.Summary}
	if local != nil {
		t.Collectors = append(t.Collectors, local.Collector())
		t.Live = func() []string { return append(a.Live(), local.Live()...) }
		t.Ready = func() []string { return append(a.Ready(), local.Ready()...) }
		t.Summary = func() string { return a.Summary() + "; " + local.Summary() }
	}
	return t
}

// runLocal runs the agent with a Scribe in the same process. The Scribe outlives the agent, which settles with it.
func (c *config) runLocal(ctx context.Context, proc *cli.Process, server *ops.Server) error {
	var s *scribe.Embedded
	err := scribe.AwaitReaders(ctx, proc.Logger, func() (err error) {
		s, err = scribe.NewEmbedded(scribe.Config{Path: c.local, Policy: store.Policy{MaxSize: c.size}, Logger: proc.Logger, Software: cli.Version()})
		return err
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer cancel() // without its Scribe the agent has nothing to do
		ended <- s.Run(serving)
	}()
	cfg := c.agent(proc)
	cfg.Dialer = s.Dialer()
	err = c.runAgent(ctx, proc, server, cfg, s)
	stop()
	return errors.Join(err, <-ended)
}

// about is what the first line in the log says.
func (c *config) about() []any {
	about := []any{"version", cli.Version(), "spool", cli.Absolute(c.spool)}
	if c.local != "" {
		about = append(about, "local", cli.Absolute(c.local))
	} else {
		about = append(about, "mediator", strings.Join(c.mediators, ","), "tls", c.tls.CA != "")
	}
	if len(c.stdins) > 0 {
		about = append(about, "stdin", c.stdins[0].log)
	}
	if len(c.files) > 0 {
		about = append(about, "file_tables", len(c.files))
	}
	return about
}
