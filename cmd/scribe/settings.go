package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/scribe/store"
)

// config is what a user sets.
type config struct {
	cli       *cli.Program
	host      string
	port      int
	path      string
	files     files
	logs      []*files
	minFree   int64
	modes     accessSettings
	access    store.Access
	durable   string
	maxOpen   int
	ttl       time.Duration
	console   bool
	mediators []string
	id        string
	advertise string
	tls       transport.TLS
	json      bool
	fromJSON  *cli.Setting // for errors
}

// program registers the settings.
func (c *config) program() *cli.Program {
	p := cli.New("scribe", "writes log lines to files, rotates them, and answers what is safe on its disk.",
		"scribe [flags]",
		"scribe -config scribe.toml [flags]",
		"scribe validate -config scribe.toml                      checks it all, prints what it would do, changes nothing",
		"scribe print-config [flags]                              prints the settings in force, and where each comes from",
		"scribe verify -path DIR                                  checks every file against the ledger, changes nothing")
	c.cli = p
	p.AddCommand("validate", "")
	p.AddCommand("verify", "")
	p.Group("Files")
	p.String(&c.path, "path", "../logs", "write the logs below this folder; made if it does not exist").Arg("DIR").NotEmpty()
	c.files.register(&p.Settings, true)
	p.Size(&c.minFree, "min-free", "-1B", "keep this much free on each volume, and delete the oldest rotated files of all logs there; -1B never")
	c.modes.register(&p.Settings)
	p.Choice(&c.durable, "durability", "power-loss", "what acknowledged lines survive: loss of power, or no more than a "+
		"crash of this process, without fdatasync", "power-loss", "process-crash")
	p.Count(&c.maxOpen, "max-open-files", strconv.Itoa(store.DefaultMaxOpenFiles), "keep the files of this number of logs open, fewer where the "+
		"process may open less than twice as many; others are opened when lines come")
	p.DurationOrNever(&c.ttl, "producer-ttl", "720h", "forget how far an agent's lines have come in a log to which it has sent none for this "+
		"long; an agent that was away for longer may repeat lines; -1 never").Check(checkTTL)
	p.Bool(&c.console, "console", "also write every line to stdout")

	p.Group("Network")
	p.String(&c.host, "host", "", "listen on this host's addresses only; without it on all").Arg("HOST").Check(cli.CheckHost)
	p.Port(&c.port, "port", "8080", "listen on this port; 0 takes any that is free")
	p.List(&c.mediators, "mediator", "", "register with these mediators; without any, agents connect to this Scribe itself").
		Arg("HOST:PORT[,…]").Check(cli.CheckAddress)
	p.String(&c.id, "id", "", "this Scribe's identity among those of its mediators; by default made of the host's name "+
		"and the identity of -path").Arg("NAME")
	p.String(&c.advertise, "advertise", "", "where mediators reach this Scribe; by default the port that it listens on, at "+
		"the address that it registers from").Arg("HOST:PORT").Check(cli.CheckAddress)

	p.ServerTLS(&c.tls)
	p.Group("Verify command")
	c.fromJSON = p.Bool(&c.json, "json", "print the report as JSON").Key("")
	p.Table("log", c.registerLog)
	p.Common("127.0.0.1:7112")
	p.Finish(c.check)
	return p
}

// minTTL keeps a slip such as 30s from having lines repeated.
const minTTL = time.Hour

func checkTTL(text string) error {
	if ttl, err := time.ParseDuration(text); text != "-1" && err == nil && ttl < minTTL { // another mistake the setting itself tells
		return fmt.Errorf("bad time %q: must be at least %v, as agents repeat their last lines when they come back later", text, minTTL)
	}
	return nil
}

// check checks what concerns several settings.
func (c *config) check() error {
	var err error
	if c.json && c.cli.Command() != "verify" {
		return fmt.Errorf("%s goes with verify only", c.fromJSON.From())
	}
	if c.access, err = c.modes.access(); err != nil {
		return err
	}
	if len(c.mediators) == 0 {
		_, err := c.tls.Server()
		return err
	}
	return cli.CheckTLS(c.tls)
}
