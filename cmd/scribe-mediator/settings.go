package main

import (
	"fmt"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/transport"
)

// config is what a user sets.
type config struct {
	cli            *cli.Program
	host           string
	port           int
	data           string
	healthInterval time.Duration
	failoverAfter  time.Duration
	tls            transport.TLS

	lookupEnv func(string) (string, bool)
}

// program registers the settings.
func (c *config) program() *cli.Program {
	p := cli.New("scribe-mediator", "decides which Scribe owns which log, and relays the lines there.",
		"scribe-mediator [flags]",
		"scribe-mediator -config mediator.toml [flags]",
		"scribe-mediator validate -config mediator.toml           checks it all, prints what it would do, changes nothing",
		"scribe-mediator print-config [flags]                     prints the settings in force, and where each comes from")
	c.cli = p
	p.AddCommand("validate", "")
	p.Group("Scribes")
	p.String(&c.data, "data", "", "keep what was decided in this folder; by default $STATE_DIRECTORY, or scribe-mediator in "+
		"the user's state folder, $XDG_STATE_HOME or ~/.local/state").Arg("DIR")
	p.Duration(&c.healthInterval, "health-interval", "5s", "check every Scribe this often")
	p.DurationOrNever(&c.failoverAfter, "failover-after", "5m", "give the logs of a Scribe that is down for this long to "+
		"others; -1 never does")

	p.Group("Network")
	p.String(&c.host, "host", "", "listen on this host's addresses only; without it on all").Arg("HOST").Check(cli.CheckHost)
	p.Port(&c.port, "port", "8000", "listen on this port; 0 takes any that is free")

	p.ServerTLS(&c.tls)
	p.Common("127.0.0.1:7113")
	p.Finish(c.check)
	return p
}

// check checks what concerns several settings, and finds the data folder.
func (c *config) check() error {
	if err := cli.CheckTLS(c.tls); err != nil {
		return err
	}
	if c.data != "" {
		return nil
	}
	var err error
	if c.data, err = cli.StateDir(c.lookupEnv, "scribe-mediator"); err != nil {
		return fmt.Errorf("%w; name one with -data", err)
	}
	return nil
}
