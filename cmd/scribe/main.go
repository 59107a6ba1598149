// Scribe is the worker of Log Scribe: it writes log lines to files, rotates them, and answers what is safe on its disk.
package main

import (
	"context"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/scribe"
	"github.com/logscribe/logscribe/scribe/store"
)

func main() { os.Exit(run(cli.OS())) }

func run(host cli.Host) int {
	c := &config{}
	p := c.program()
	return p.Main(host, func(ctx context.Context, proc *cli.Process) error {
		switch p.Command() {
		case "verify":
			return c.verify(ctx, proc.Stdout)
		case "validate":
			return c.validate(proc.Stdout, proc.LookupEnv)
		}
		server, err := proc.ServeOps(ctx)
		if err != nil {
			return err
		}
		defer server.Close()
		var s *scribe.Scribe
		err = scribe.AwaitReaders(ctx, proc.Logger, func() (err error) { s, err = scribe.New(c.scribe(proc)); return err })
		if err != nil {
			return err
		}
		proc.OnReload(func() (*cli.Program, func() error) { return (&config{}).program(), s.Reload })
		server.Show(ops.Target{Collectors: []prometheus.Collector{s.Collector()}, Live: s.Live, Ready: s.Ready, Summary: s.Summary})
		proc.Logger.Info("scribe started", c.about(s)...)
		return s.Run(ctx)
	})
}

// scribe returns the settings in the form that package scribe takes.
func (c *config) scribe(proc *cli.Process) scribe.Config {
	cfg := scribe.Config{
		Listen: cli.JoinHostPort(c.host, c.port), Path: c.path, Durability: store.Durability(c.durable),
		Policy: c.files.policy, Rules: c.rules(), MinFree: c.minFree, Access: c.access, MaxOpenFiles: c.maxOpen, ProducerTTL: c.ttl,
		Mediators: c.mediators, ID: c.id, Advertise: c.advertise,
		TLS: c.tls, Logger: proc.Logger, Software: cli.Version(), ReloadError: proc.ReloadError,
	}
	if cfg.Notes = notes(proc.LookupEnv); cfg.Notes == "" {
		proc.Logger.Debug("should the file system of the logs not be mounted one day, that will not be noticed: there is no folder for state")
	}
	if c.console {
		cfg.Console = proc.Stdout
	}
	return cfg
}

// about is what the first line in the log says.
func (c *config) about(s *scribe.Scribe) []any {
	return []any{
		"version", cli.Version(), "id", s.ID(), "address", s.Addr().String(), "path", cli.Absolute(c.path), "store", string(c.files.policy.Form), "size", size.Format(c.files.policy.MaxSize),
		"durability", c.durable,
		"mediator", strings.Join(c.mediators, ","), "tls", c.tls.Cert != "",
	}
}
