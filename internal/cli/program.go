package cli

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/signals"
)

// Host is what a program takes from its surroundings. Tests make their own.
type Host struct {
	Args      []string // without the program's name
	LookupEnv func(string) (string, bool)
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer
	Signals   <-chan os.Signal
}

// OS returns the host of this process. SIGTERM, SIGINT and SIGHUP go to Main, also those that came since before main began;
// a closed stdout or stderr does not end the process, but is an error of the write: see package signals.
func OS() Host {
	return Host{
		Args: os.Args[1:], LookupEnv: os.LookupEnv,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals.All(),
	}
}

// Program is a program's name, settings and commands.
type Program struct {
	Settings

	name, purpose string
	forms         []string
	commands      []command
	finish        func() error

	command              string
	operands             []string
	config               string
	file                 string // the one that was read
	help, version, pprof bool
	tool                 bool
	pport                int
	ops                  string
	opsSetting           *Setting
	logLevel, logFormat  string
}

// New returns a program without settings but those that every program has. The purpose is a sentence without its subject, the name; the forms are
// the ways to call it, a line each.
func New(name, purpose string, forms ...string) *Program {
	p := &Program{name: name, purpose: purpose, forms: forms}
	p.env = strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
	return p
}

// Common registers the settings that every program has, as the last groups of the usage text. Metrics and health are served
// at that address unless the user says otherwise.
func (p *Program) Common(address string) {
	p.AddCommand(printConfig, "")
	p.logging("info")
	p.opsSetting = p.String(&p.ops, "ops", address, "serve metrics, /healthz and /readyz at this address; off does not").Arg("HOST:PORT").Check(ops.CheckAddress)
	p.opsSetting.loose = true
	p.Bool(&p.pprof, "pprof", "serve profiles on localhost, at the port of -pport")
	p.Port(&p.pport, "pport", "1111", "port of -pprof; 0 takes any that is free")
	p.general()
}

// Tool is Common for a program that a person runs for a moment: it serves nothing, says nothing of itself unless something is
// wrong, and SIGHUP stops it, as the terminal is gone.
func (p *Program) Tool() {
	p.tool = true
	p.logging("warn")
	p.general()
}

func (p *Program) logging(level string) {
	p.Group("Diagnosis")
	p.Choice(&p.logLevel, "log-level", level, "write messages of this level and above to stderr: debug, info, warn or error",
		"debug", "info", "warn", "error").Arg("LEVEL").Live()
	p.Choice(&p.logFormat, "log-format", "text", "write messages as text or json", "text", "json").Arg("FORMAT")
}

func (p *Program) general() {
	p.Group("General")
	p.String(&p.config, "config", "", "TOML file with settings").Key("").Arg("FILE")
	p.Bool(&p.version, "version", "print the version and exit").Key("").hideEnv()
	p.Bool(&p.help, "help", "print this text and exit; also -h").Key("").hideEnv()
}

func (s *Setting) hideEnv() { s.env = "" }

// command is a word that may stand among the flags, and what must follow it.
type command struct{ name, operands string }

// AddCommand makes name a word that may stand among the flags, once. Operands says what must follow it, as "FILE…", or may,
// as "[FILE]"; "" is nothing.
func (p *Program) AddCommand(name, operands string) {
	p.commands = append(p.commands, command{name, operands})
}

// Command returns the command given, or "".
func (p *Program) Command() string { return p.command }

// Operands returns what followed the command; at least one if it must have any.
func (p *Program) Operands() []string { return p.operands }

// Finish sets a function that is called when all settings are set, to check what concerns several of them. Its error
// is a usage error.
func (p *Program) Finish(finish func() error) { p.finish = finish }

// Parse reads command line, environment and file, and sets all settings. If it was asked for the usage text, the version
// or the settings in force it prints that and returns done.
func (p *Program) Parse(host Host) (done bool, err error) {
	given, err := p.parseFlags(host.Args)
	if err != nil {
		return false, err
	}
	switch {
	case p.help:
		_, err := io.WriteString(host.Stdout, p.usage())
		return true, err
	case p.version:
		_, err := io.WriteString(host.Stdout, versionLine(p.name)+"\n")
		return true, err
	}
	if err := p.parseFile(given, host.LookupEnv); err != nil {
		return false, err
	}
	if err := p.applyEnv(host.LookupEnv); err != nil {
		return false, err
	}
	if err := p.applyFlags(given); err != nil {
		return false, err
	}
	if p.finish != nil {
		err = Usage(p.finish())
	}
	if p.command == printConfig {
		return true, errors.Join(p.writeConfig(host.Stdout), err)
	}
	return false, err
}

// parseFile reads the file that the flag or the environment names, if there is one.
func (p *Program) parseFile(given flags, lookupEnv func(string) (string, bool)) error {
	config := p.byFlag("config")
	origin, name := "", ""
	if texts, ok := given[config]; ok {
		origin, name = "-config", texts[len(texts)-1]
		if name == "" {
			return Usagef("-config: no file is named")
		}
	} else if text, ok := lookupEnv(config.env); ok {
		origin, name = config.env, text
	}
	if name == "" {
		return nil
	}
	p.file = name
	text, err := readText(name)
	if err != nil {
		return Usagef("%s: %w", origin, err)
	}
	doc, err := parseDocument(name, text)
	if err != nil {
		return Usage(err)
	}
	return doc.apply(&p.Settings)
}

// commandOf returns the command that the argument is, if it is one.
func (p *Program) commandOf(arg string) (command, bool) {
	for _, c := range p.commands {
		if c.name == arg {
			return c, true
		}
	}
	return command{}, false
}
