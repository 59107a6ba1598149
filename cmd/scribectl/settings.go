package main

import (
	"errors"

	"github.com/logscribe/logscribe/internal/cli"
)

// config is what a user sets.
type config struct {
	cli    *cli.Program
	output string
}

// program registers the settings.
func (c *config) program() *cli.Program {
	p := cli.New("scribectl", "shows how mediators, Scribes and agents do.",
		"scribectl version                           the version of this program")
	c.cli = p
	for name := range commands {
		p.AddCommand(name, "")
	}
	p.Group("Output")
	p.Choice(&c.output, "o", "text", "print text for people, or json for programs", "text", "json").Key("output").Arg("FORMAT")
	p.Tool()
	p.Finish(c.check)
	return p
}

// check checks what concerns several settings.
func (c *config) check() error {
	if c.cli.Command() == "" {
		return errors.New("what shall it show? scribectl version (see scribectl -h)")
	}
	return nil
}
