package cli

import (
	"fmt"
	"strings"
)

// usageWidth is how wide the usage text may be, usageIndent where the text beside the flags begins.
const (
	usageWidth  = 96
	usageIndent = 28
)

// usage returns what -h prints.
func (p *Program) usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\nUsage:\n", p.name, p.purpose)
	for _, form := range p.forms {
		fmt.Fprintf(&b, "  %s\n", form)
	}
	group := ""
	for _, s := range p.list {
		if s.flag == "" {
			continue
		}
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n%s:\n", group)
		}
		writeFlag(&b, s)
	}
	b.WriteByte('\n')
	b.WriteString(wrap(p.originsNote(), 0))
	return b.String()
}

func writeFlag(b *strings.Builder, s *Setting) {
	head := "  -" + s.flag
	if s.kind.arg != "" {
		head += " " + s.kind.arg
	}
	text := s.usage
	if s.def != "" && !s.isSwitch() {
		text += " (default " + s.def + ")"
	}
	if len(head) > usageIndent-2 {
		b.WriteString(head + "\n")
		head = ""
	}
	b.WriteString(head + strings.Repeat(" ", usageIndent-len(head)) + wrap(text, usageIndent))
}

func (p *Program) originsNote() string {
	example := p.byFlag("log-level")
	note := fmt.Sprintf("A flag may also be given in the environment, as in %s=debug, and in the TOML file of -config. "+
		"A flag beats the environment, which beats the file. ", example.env)
	if p.tool {
		return note + "Times: 500ms, 5s, 1m30s. Exit codes: 0 if all went well, 1 after a failure, 2 after bad usage."
	}
	return note + "Sizes: 1MB is 1000000 bytes, 1MiB is 1048576. " +
		"Times: 500ms, 5s, 1m30s. Signals: TERM and INT stop it cleanly, HUP makes it read settings and certificates again. " +
		"Exit codes: 0 after a clean stop, 1 after a failure, 2 after bad usage."
}

// wrap breaks a text into lines that are indented but for the first.
func wrap(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		width := len([]rune(word))
		switch {
		case i == 0:
		case column+1+width > usageWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String() + "\n"
}
