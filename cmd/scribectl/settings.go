package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/transport"
)

// config is what a user sets.
type config struct {
	mediators []string
	tls       transport.TLS
	output    string
	rows      int
	match     string
	sort      string
	every     time.Duration
	count     int
	lines     int // of the demo
	dir       string

	cli  *cli.Program
	from struct{ rows, match, sort, every, count, lines, dir *cli.Setting } // for errors
}

// program registers the settings.
func (c *config) program() *cli.Program {
	p := cli.New("scribectl", "shows how mediators, Scribes and agents do.",
		"scribectl -mediator HOST:PORT status    mediators, Scribes and agents, as they are now",
		"scribectl -mediator HOST:PORT logs      which Scribe has which log, and how much comes",
		"scribectl -mediator HOST:PORT top       the same, again and again, until q or ^C",
		"scribectl -mediator HOST:PORT version   the version of every program",
		"scribectl demo                          kills each program while lines flow, counts them")
	c.cli = p
	for _, command := range commands {
		p.AddCommand(command.name, "")
	}
	p.Group("Whom to ask")
	p.List(&c.mediators, "mediator", "127.0.0.1:8000", "ask these: mediators, or single Scribes").
		Key("mediators").Arg("HOST:PORT[,…]").NotEmpty().Check(cli.CheckAddress)
	p.Group("Output")
	p.Choice(&c.output, "o", "text", "print text for people, or json for programs", "text", "json").Key("output").Arg("FORMAT")
	c.from.rows = p.Limit(&c.rows, "n", "-1", "with logs and top: show so many logs at most; -1 all that there are, in top all that fit").Key("")
	c.from.match = p.String(&c.match, "match", "", "with logs and top: only logs whose names match, as in web/* or **/access").
		Key("").Arg("GLOB").Check(checkGlob)
	c.from.sort = p.Choice(&c.sort, "sort", "", "with logs and top: order of the logs, by name, rate, size, waiting or written; "+
		"by default name in logs, rate in top", sortings...).Key("").Arg("BY")
	c.from.every = p.Duration(&c.every, "every", "2s", "with top: time between two looks").Key("")
	c.from.count = p.Limit(&c.count, "count", "-1", "with top: end after so many looks; -1 never").Key("")
	p.Group("Demo")
	c.from.lines = p.Count(&c.lines, "lines", "100000", "have the application write this many").Key("")
	c.from.dir = p.String(&c.dir, "dir", "", "keep everything in this folder, an empty one or none yet; without it in a new temporary one").Key("").Arg("DIR").NotEmpty()
	p.ClientTLS(&c.tls)
	p.Tool()
	p.Finish(c.check)
	return p
}

func checkGlob(glob string) error {
	_, err := logname.Matcher(glob)
	return err
}

// check checks what concerns several settings.
func (c *config) check() error {
	command := c.cli.Command()
	if command == "" {
		return errors.New("what shall it show? scribectl " + commandNames() + " (see scribectl -h)")
	}
	for _, of := range []struct {
		commands []string
		settings []*cli.Setting
	}{
		{[]string{"logs", "top"}, []*cli.Setting{c.from.rows, c.from.match, c.from.sort}},
		{[]string{"top"}, []*cli.Setting{c.from.every, c.from.count}},
		{[]string{"demo"}, []*cli.Setting{c.from.lines, c.from.dir}},
	} {
		for _, s := range of.settings {
			if from := s.From(); from != "" && !slices.Contains(of.commands, command) {
				return errors.New(from + " goes with " + strings.Join(of.commands, " and ") + " only")
			}
		}
	}
	if c.sort == "" {
		c.sort = "name"
		if command == "top" {
			c.sort = "rate"
		}
	}
	_, err := c.tls.Client()
	return err
}
