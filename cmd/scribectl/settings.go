package main

import (
	"errors"

	"github.com/logscribe/logscribe/internal/cli"
)

// config is what a user sets.
type config struct {
	cli    *cli.Program
	output string
	lines  int
	dir    string
}

// program registers the settings.
func (c *config) program() *cli.Program {
	p := cli.New("scribectl", "shows how mediators, Scribes and agents do.",
		"scribectl demo                              kills each program while lines flow, counts them",
		"scribectl version                           the version of this program")
	c.cli = p
	for name := range commands {
		p.AddCommand(name, "")
	}
	p.Group("Output")
	p.Choice(&c.output, "o", "text", "print text for people, or json for programs", "text", "json").Key("output").Arg("FORMAT")
	p.Group("Demo")
	p.Count(&c.lines, "lines", "100000", "have the application write this many").Key("")
	p.String(&c.dir, "dir", "", "keep everything in this folder, an empty one or none yet; without it in a new temporary one").Key("").Arg("DIR").NotEmpty()
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
