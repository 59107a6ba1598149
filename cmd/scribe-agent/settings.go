package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/logscribe/logscribe/agent"
	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/agent/tail"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/identity"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/spool"
)

// config is what a user sets.
type config struct {
	mediators    []string
	name         string
	identity     string
	tls          transport.TLS
	log          string
	tee          bool
	drainTimeout time.Duration
	local        string
	size         int64
	spool        string
	maxSize      int64
	whenFull     string
	whenDamaged  string
	compression  string
	maxLine      int64
	cutMark      string
	files        []*fileTable
	stdins       []*stdinTable

	quiet      bool
	json       bool
	failOnLoss bool
	spoolFound bool // the user has not named the spool of which loss asks
	to         string

	cli  *cli.Program
	host cli.Host
	from struct{ log, local, size, mediators, tee, quiet, json, to, check *cli.Setting } // for errors
}

// fileTable is a [[file]] table.
type fileTable struct {
	where          string
	paths, exclude []string
	log, start     string
	lines          linesTable
	closeDeleted   time.Duration
}

// stdinTable is a [[stdin]] table.
type stdinTable struct {
	where, log string
	lines      linesTable
}

// program registers the settings.
func (c *config) program() *cli.Program {
	p := cli.New("scribe-agent", "ships log lines from files or standard input, each exactly once.",
		"app | scribe-agent -mediator HOST:PORT -log web/access",
		"app | scribe-agent -local DIR -log web/access            no server: writes files below DIR",
		"scribe-agent -config agent.toml                          tails the files that it names",
		"scribe-agent validate -config agent.toml                 checks it, prints what it tails",
		"scribe-agent print-config [flags]                        prints the settings in force, and where each comes from",
		"scribe-agent explain -config agent.toml FILE…            says of each file whether it is read, and why",
		"scribe-agent spool inspect|verify|repair|export FILE     looks into a spool, and mends it",
		"scribe-agent loss SPOOL, or loss -config agent.toml      lists what was not delivered, and why")
	c.cli = p
	p.AddCommand("validate", "")
	p.AddCommand("spool", "inspect|verify|repair|export FILE")
	p.AddCommand("explain", "FILE…")
	p.AddCommand("loss", "[SPOOL]")
	c.registerDestination(p)
	c.registerStdin(p)
	c.registerLines(p)
	c.registerSpool(p)
	p.Group("Validate command")
	c.from.quiet = p.Bool(&c.quiet, "quiet", "check the settings alone, without a look at the files, and print nothing if they are right").Key("")
	c.registerSpoolCommand(p)
	p.ClientTLS(&c.tls)
	p.Table("file", c.registerFile).Live()
	p.Table("stdin", c.registerStdinTable)
	p.Common("127.0.0.1:7111")
	p.Finish(c.check)
	return p
}

func (c *config) registerDestination(p *cli.Program) {
	p.Group("Destination")
	c.from.mediators = p.List(&c.mediators, "mediator", "", "send to the first of these that answers: mediators, or a single Scribe").
		Key("mediators").Arg("HOST:PORT[,…]").Check(cli.CheckAddress).Live()
	c.from.local = p.String(&c.local, "local", "", "write files below this folder instead, without a server").
		Key("").Arg("DIR").NotEmpty()
	c.from.size = p.Size(&c.size, "size", "1MB", "with -local: rotate a log's file before it grows beyond this size; -1B never").
		Key("")
	p.String(&c.identity, "identity", "", "remember on the Scribes, under this name, how far the files were read, so that nothing is lost or "+
		"sent twice if the spool is lost; no two agents may have the same one (default none)").Arg("NAME").NotEmpty().Check(identity.Check)
	p.String(&c.name, "name", "", "this agent's name in the Scribes' status (default the host's name)").Arg("NAME")
}

func (c *config) registerStdin(p *cli.Program) {
	p.Group("Standard input")
	c.from.log = p.String(&c.log, "log", "", "read standard input, and ship it to this log").
		InTable("stdin", "log").Arg("PATH/NAME").NotEmpty().Check(logname.Check)
	c.from.tee = p.Bool(&c.tee, "tee", "also copy standard input to standard output").Key("")
	p.Duration(&c.drainTimeout, "drain-timeout", "1m", "after the end of standard input, wait this long until all is delivered").Live()
}

func (c *config) registerSpool(p *cli.Program) {
	p.Group("Spool")
	p.String(&c.spool, "spool", "", "keep lines that are not delivered yet in this file; by default in $STATE_DIRECTORY, or "+
		"scribe-agent in the user's state folder, $XDG_STATE_HOME or ~/.local/state, and with -local in DIR/.scribe").
		Key("spool.path").Arg("FILE")
	p.Size(&c.maxSize, "max-size", "1GB", "the spool takes this much of the disk at most; -1B any").
		Key("spool.max_size").Check(checkMaxSize).Live()
	p.Choice(&c.whenFull, "when-full", "block", "what a full spool does: block makes the sources wait, drop_oldest drops "+
		"lines, and counts them", "block", "drop_oldest").Key("spool.when_full").Arg("POLICY").Live()
	p.Choice(&c.whenDamaged, "when-damaged", "refuse", "what to do at the start if the spool's file is damaged: refuse ends "+
		"the agent, repair keeps what can be read of it, set_aside begins with an empty one; the damaged file is kept",
		"refuse", "repair", "set_aside").Key("spool.when_damaged").Arg("REMEDY")
	p.Choice(&c.compression, "compression", "s2", "compress lines in the spool and on the way with s2, zstd or none",
		"s2", "zstd", "none").Key("spool.compression").Arg("CODEC").Live()
}

func checkMaxSize(text string) error {
	n, err := size.Parse(text)
	if err != nil {
		return err
	}
	return spool.CheckMaxSize(n)
}

func (c *config) registerSpoolCommand(p *cli.Program) {
	p.Group("Spool and loss commands")
	c.from.json = p.Bool(&c.json, "json", "print the report of inspect, verify, repair or loss as JSON").Key("")
	c.from.check = p.Bool(&c.failOnLoss, "check", "with loss: exit with 1 if anything was lost, or losses are not counted yet; -log takes a glob there").Key("")
	c.from.to = p.String(&c.to, "to", "", "write what export finds to files in this folder, one for each log, instead of "+
		"standard output; with -log it exports that log alone").Key("").Arg("DIR").NotEmpty()
}

func (c *config) registerFile(t *cli.Settings) {
	f := &fileTable{where: t.Where()}
	c.files = append(c.files, f)
	t.Strings(&f.paths, "paths", "globs of files").Required().Check(checkGlob)
	t.Strings(&f.exclude, "exclude", "globs of files that are left out").Check(checkGlob)
	t.String(&f.log, "log", "", "the files' log").Required().Check(checkTemplate)
	t.Choice(&f.start, "start", "beginning", "where files that exist at the first start are read from", "beginning", "end")
	t.DurationOrNever(&f.closeDeleted, "close_deleted_after", "-1", "let deleted files that have unread lines go after this time")
	f.lines.register(t, line.CheckPrefix)
}

func (c *config) registerStdinTable(t *cli.Settings) {
	s := &stdinTable{where: t.Where()}
	c.stdins = append(c.stdins, s)
	t.String(&s.log, "log", "", "the log").Required().Check(logname.Check)
	s.lines.register(t, line.CheckStreamPrefix)
}

// checkGlob and checkTemplate let the tail package judge. A section of one plain file makes it look at nothing else.
func checkGlob(glob string) error {
	_, err := tail.Matches([]tail.Section{{Paths: []string{os.DevNull}, Exclude: []string{glob}, Log: "log"}}, "host")
	return sectionError(err)
}

func checkTemplate(log string) error {
	_, err := tail.Matches([]tail.Section{{Paths: []string{os.DevNull}, Log: log}}, "host")
	return sectionError(err)
}

// sectionError strips the number of the only section.
func sectionError(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), "file section 1: "))
}

// check checks what concerns several settings, and finds the spool.
func (c *config) check() error {
	if c.quiet && c.cli.Command() != "validate" {
		return fmt.Errorf("%s goes with scribe-agent validate only", c.from.quiet.From())
	}
	if c.failOnLoss && c.cli.Command() != "loss" {
		return fmt.Errorf("%s goes with scribe-agent loss only", c.from.check.From())
	}
	switch c.cli.Command() {
	case "spool":
		return c.checkSpoolCommand()
	case "loss":
		return c.checkLossCommand()
	}
	for s, commands := range map[*cli.Setting]string{c.from.json: "spool and loss", c.from.to: "spool"} {
		if s.From() != "" {
			return fmt.Errorf("%s goes with scribe-agent %s only", s.From(), commands)
		}
	}
	if err := c.checkSources(); err != nil {
		return err
	}
	if err := c.checkLines(); err != nil {
		return err
	}
	if err := c.checkDestination(); err != nil {
		return err
	}
	if _, err := c.tls.Client(); err != nil {
		return err
	}
	if err := c.findSpool(); err != nil {
		return err
	}
	cfg := c.plan()
	return cfg.Validate()
}

func (c *config) checkSources() error {
	switch {
	case len(c.stdins) > 1:
		return fmt.Errorf("%s: a second [[stdin]] table: there is one standard input", c.stdins[1].where)
	case c.log != "" && len(c.files) > 0:
		return fmt.Errorf("%s and [[file]] (%s) don't go together: %[1]s names the log of standard input", c.from.log.From(), c.files[0].where)
	case c.log != "" && len(c.stdins) == 0:
		c.stdins = []*stdinTable{{log: c.log}}
	case c.log != "":
		c.stdins[0].log = c.log // a flag beats the file
	}
	switch {
	case len(c.stdins) == 0 && len(c.files) == 0:
		return errors.New("nothing to read: give -log PATH/NAME to read standard input, or -config FILE with [[file]] tables to tail files")
	case len(c.stdins) == 0 && c.tee:
		return fmt.Errorf("%s copies standard input, and nothing reads it: give -log too", c.from.tee.From())
	}
	return nil
}

func (c *config) checkDestination() error {
	switch {
	case c.local != "" && len(c.mediators) > 0:
		return fmt.Errorf("%s and %s don't go together: choose one destination", c.from.local.From(), c.from.mediators.From())
	case c.local == "" && len(c.mediators) == 0:
		return errors.New("nowhere to send to: give -mediator HOST:PORT, or -local DIR to write files without a server")
	case c.local != "" && c.tls != transport.TLS{}:
		return fmt.Errorf("%s makes no connections: leave out -ca, -crt and -pk", c.from.local.From())
	case c.local == "" && c.from.size.From() == "-size":
		return errors.New("-size goes with -local only: a Scribe has its own, and the spool has -max-size")
	}
	return nil
}

// plan returns the settings in the form that package agent takes, without what only a running process has.
func (c *config) plan() agent.Config {
	cfg := agent.Config{
		Name: c.name, Identity: c.identity, Mediators: c.mediators, TLS: c.tls, DrainTimeout: c.drainTimeout, Software: cli.Version(),
		MaxLine: c.maxLine, CutMark: c.cutMark,
		Spool: agent.SpoolConfig{Path: c.spool, MaxSize: c.maxSize, WhenFull: c.whenFull, WhenDamaged: c.whenDamaged, Compression: c.compression},
	}
	for _, f := range c.files {
		cfg.Files = append(cfg.Files, agent.FileConfig{
			Paths: f.paths, Exclude: f.exclude, Log: f.log, Start: f.start, Lines: f.lines.rules(),
			CloseDeletedAfter: max(0, f.closeDeleted), // cli.Never is below zero
		})
	}
	if len(c.stdins) > 0 {
		cfg.Stdin = &agent.StdinConfig{Log: c.stdins[0].log, Lines: c.stdins[0].lines.rules()}
	}
	return cfg
}
