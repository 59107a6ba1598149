package cli

import (
	"errors"
	"flag"
	"io"
	"strings"
)

// flags are the texts that the flags of a command line gave to settings.
type flags map[*Setting][]string

// recorder is the flag.Value of a setting. It only records: values are checked by Setting.apply, so that their errors
// do not depend on their origin.
type recorder struct {
	setting *Setting
	given   flags
}

func (r recorder) Set(text string) error {
	if r.setting != nil {
		r.given[r.setting] = append(r.given[r.setting], r.setting.parts(text)...)
	}
	return nil
}

func (r recorder) String() string { return "" }

func (r recorder) IsBoolFlag() bool { return r.setting != nil && r.setting.isSwitch() }

// isSwitch says whether the setting's flag needs no value.
func (s *Setting) isSwitch() bool { return s.kind.arg == "" }

// parseFlags reads the command line without setting anything but the command, help and version.
func (p *Program) parseFlags(args []string) (flags, error) {
	given := flags{}
	set := flag.NewFlagSet(p.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	for _, s := range p.list {
		if s.flag != "" {
			set.Var(recorder{s, given}, s.flag, s.usage)
		}
	}
	for len(args) > 0 {
		err := set.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			p.help = true
			return given, nil
		}
		if err != nil {
			return nil, p.flagError(err)
		}
		rest := set.Args()
		if len(rest) == 0 {
			break
		}
		if err := p.takeCommand(rest[0], args[:len(args)-len(rest)]); err != nil {
			return nil, err
		}
		args = rest[1:]
	}
	for _, name := range []string{"help", "version"} {
		s := p.byFlag(name)
		if texts, ok := given[s]; ok {
			if err := s.apply("-"+name, texts); err != nil {
				return nil, err
			}
		}
	}
	if c, _ := p.commandOf(p.command); c.operands != "" && c.operands[0] != '[' && len(p.operands) == 0 && !p.help && !p.version {
		return nil, Usagef("%s needs an argument: %s %s%s", c.name, c.name, c.operands, p.seeHelp())
	}
	return given, nil
}

// takeCommand takes an argument that is no flag, a command or an operand of it; before are the arguments before it.
func (p *Program) takeCommand(arg string, before []string) error {
	given, _ := p.commandOf(p.command)
	if given.operands != "" {
		p.operands = append(p.operands, arg)
		return nil
	}
	if c, ok := p.commandOf(arg); ok {
		if p.command != "" {
			return Usagef("unexpected argument %q after %q%s", arg, p.command, p.seeHelp())
		}
		p.command = c.name
		return nil
	}
	hint := ""
	if near := nearest(arg, p.commandNames()); near != "" {
		hint = didYouMean(near)
	} else if near := p.byFlag(arg); near != nil {
		hint = didYouMean("-" + arg)
	} else if n := len(before); n > 0 {
		if s := p.byFlag(strings.TrimLeft(before[n-1], "-")); s != nil && s.isSwitch() {
			hint = "; -" + s.flag + " takes no value, or one after =: -" + s.flag + "=" + arg
		}
	}
	return Usagef("unexpected argument %q%s%s", arg, hint, p.seeHelp())
}

func (p *Program) commandNames() []string {
	var names []string
	for _, c := range p.commands {
		names = append(names, c.name)
	}
	return names
}

// flagError turns an error of the flag package into ours.
func (p *Program) flagError(err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		near := nearest(name, p.names(flagOf))
		if near != "" {
			near = "-" + near
		}
		return Usagef("unknown flag -%s%s%s", name, didYouMean(near), p.seeHelp())
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		s := p.byFlag(name)
		return Usagef("-%s needs a value: -%s %s%s", name, name, s.kind.arg, p.seeHelp())
	}
	return Usagef("%s%s", text, p.seeHelp())
}

func (p *Program) seeHelp() string { return " (see " + p.name + " -h)" }

// applyFlags sets what the command line gave, in the order of registration.
func (p *Program) applyFlags(given flags) error {
	for _, s := range p.list {
		if texts, ok := given[s]; ok {
			if err := s.apply("-"+s.flag, texts); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyEnv sets what the environment gives. An empty variable is as good as none, so that a unit's or container's
// template may leave it empty.
//
// Kubernetes sets a variable such as SCRIBE_PORT=tcp://10.0.0.1:8080 in every container if there is a service of that
// name. Nobody meant a port of ours by it.
func (p *Program) applyEnv(lookup func(string) (string, bool)) error {
	for _, s := range p.list {
		if s.env == "" {
			continue
		}
		text, _ := lookup(s.env)
		if text == "" || s.flag == "port" && strings.Contains(text, "://") {
			continue
		}
		if err := s.apply(s.env, s.parts(text)); err != nil {
			return err
		}
	}
	return nil
}
