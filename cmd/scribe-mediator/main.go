// Scribe-mediator is the front door of Log Scribe: it decides which Scribe owns which log and relays the lines there.
package main

import (
	"context"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/mediator"
)

func main() { os.Exit(run(cli.OS())) }

func run(host cli.Host) int {
	c := &config{lookupEnv: host.LookupEnv}
	return c.program().Main(host, func(ctx context.Context, proc *cli.Process) error {
		if c.cli.Command() == "validate" {
			return c.validate(proc.Stdout)
		}
		server, err := proc.ServeOps(ctx)
		if err != nil {
			return err
		}
		defer server.Close()
		m, err := mediator.New(mediator.Config{
			Listen: cli.JoinHostPort(c.host, c.port), DataDir: c.data,
			HealthInterval: c.healthInterval, FailoverAfter: c.failoverAfter,
			TLS: c.tls, Logger: proc.Logger, Software: cli.Version(), ReloadError: proc.ReloadError,
		})
		if err != nil {
			return err
		}
		proc.OnReload(func() (*cli.Program, func() error) {
			return (&config{lookupEnv: host.LookupEnv}).program(), m.Reload
		})
		server.Show(ops.Target{Collectors: []prometheus.Collector{m.Collector()}, Live: m.Live, Ready: m.Ready, Summary: m.Summary})
		proc.Logger.Info("mediator started", "version", cli.Version(), "address", m.Addr().String(), "data", c.data,
			"failover_after", c.failoverText(), "tls", c.tls.Cert != "")
		return m.Run(ctx)
	})
}

func (c *config) failoverText() string {
	if c.failoverAfter == cli.Never {
		return "never"
	}
	return c.failoverAfter.String()
}
