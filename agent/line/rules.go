package line

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/size"
)

// Limits of what may be configured, in bytes. What is added to an event, its prefix, a mark and what redact puts in, must
// fit into block.MaxRawSize together with it.
const (
	MaxEvent   = 3 << 20 // the largest MaxLine and Multiline.MaxBytes
	maxCutMark = 100
	maxPrefix  = 1000 // of the template
	maxWith    = 1000
)

// Rules say what is done to the lines of a section. The zero Rules do nothing.
type Rules struct {
	Include   []string // patterns; if there are any, an event that matches none is dropped
	Exclude   []string // patterns; an event that matches one is dropped
	Redact    []Redaction
	Multiline Multiline
	// Prefix is put before the first line of each event. {host} {file} {name} {stem} {dir} stand for the host, the path
	// of the file, its name, its name without its extension, the name of its folder, {log} for the log, and {time} for
	// the time in UTC when the line was read (RFC 3339, to the millisecond).
	Prefix string
}

// Redaction replaces what matches. In With, $1 or ${name} stands for what a group has matched, and $$ for a dollar.
type Redaction struct{ Pattern, With string }

// Multiline says which lines are one event. At most one of the patterns is set; without any, every line is one.
type Multiline struct {
	Start    string        // a line that matches begins an event
	Continue string        // a line that matches belongs to the event before it
	MaxLines int           // of an event, default 500
	MaxBytes int           // of an event, default 1 MiB
	Timeout  time.Duration // how long the last event waits for its next line, default 5s
}

// Defaults of Multiline.
const (
	DefaultMaxLines = 500
	DefaultMaxBytes = 1 << 20
	DefaultTimeout  = 5 * time.Second
)

// Processor is Rules that have been checked and compiled. It does not change and is safe for concurrent use. A nil
// Processor leaves all bytes as they are.
type Processor struct {
	include, exclude []*regexp.Regexp
	redact           []redaction
	start, follows   *regexp.Regexp // at most one is set
	multiline        Multiline
	prefix           prefix
}

type redaction struct {
	pattern *regexp.Regexp
	with    []byte
}

// New returns nil for zero Rules. The error names the first rule that can't be right.
func New(r Rules) (*Processor, error) {
	if len(r.Include)+len(r.Exclude)+len(r.Redact) == 0 && r.Multiline == (Multiline{}) && r.Prefix == "" {
		return nil, nil
	}
	var p Processor
	var err error
	if p.include, err = compileAll(r.Include); err != nil {
		return nil, fmt.Errorf("include: %w", err)
	}
	if p.exclude, err = compileAll(r.Exclude); err != nil {
		return nil, fmt.Errorf("exclude: %w", err)
	}
	for _, rule := range r.Redact {
		if err := rule.Check(); err != nil {
			return nil, fmt.Errorf("redact: %w", err)
		}
		p.redact = append(p.redact, redaction{regexp.MustCompile(rule.Pattern), []byte(rule.With)})
	}
	if err := p.join(r.Multiline); err != nil {
		return nil, fmt.Errorf("multiline: %w", err)
	}
	if p.prefix, err = parsePrefix(r.Prefix); err != nil {
		return nil, fmt.Errorf("prefix: %w", err)
	}
	return &p, nil
}

// join compiles the rules about events.
func (p *Processor) join(m Multiline) (err error) {
	switch {
	case m.Start != "" && m.Continue != "":
		return errors.New("start and continue don't go together: choose one")
	case m.Start == "" && m.Continue == "" && m != (Multiline{}):
		return errors.New("neither start nor continue is set")
	case m.MaxLines < 0 || m.MaxBytes < 0 || m.MaxBytes > MaxEvent || m.Timeout < 0:
		return fmt.Errorf("%d lines, %d bytes or %v are negative, or more than %d bytes", m.MaxLines, m.MaxBytes, m.Timeout, MaxEvent)
	case m.Start != "":
		p.start, err = compile(m.Start)
	case m.Continue != "":
		p.follows, err = compile(m.Continue)
	}
	if m.MaxLines == 0 {
		m.MaxLines = DefaultMaxLines
	}
	if m.MaxBytes == 0 {
		m.MaxBytes = DefaultMaxBytes
	}
	if m.Timeout == 0 {
		m.Timeout = DefaultTimeout
	}
	p.multiline = m
	return err
}

func compile(pattern string) (*regexp.Regexp, error) {
	if err := CheckPattern(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(pattern)
}

func compileAll(patterns []string) ([]*regexp.Regexp, error) {
	var all []*regexp.Regexp
	for _, pattern := range patterns {
		re, err := compile(pattern)
		if err != nil {
			return nil, err
		}
		all = append(all, re)
	}
	return all, nil
}

// CheckPattern returns an error that says what is wrong with a regular expression.
func CheckPattern(pattern string) error {
	if pattern == "" {
		return errors.New("an empty regular expression matches everything")
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return fmt.Errorf("bad regular expression %q: %s", pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return nil
}

// reference finds what stands for a group in Redaction.With, as regexp.Expand understands it.
var reference = regexp.MustCompile(`\$\$|\$\{(\w+)\}|\$(\w+)`)

// Check returns an error that says what is wrong with the rule.
func (r Redaction) Check() error {
	pattern, err := compile(r.Pattern)
	if err != nil {
		return err
	}
	for _, found := range reference.FindAllStringSubmatch(r.With, -1) {
		name := found[1] + found[2]
		if n, err := strconv.Atoi(name); name == "" || err == nil && n <= pattern.NumSubexp() || pattern.SubexpIndex(name) >= 0 {
			continue
		}
		return fmt.Errorf("%q stands for a group that the pattern %q doesn't have: $1 is the first one, ${1} if a letter, "+
			"digit or _ follows, and $$ is a dollar", found[0], r.Pattern)
	}
	return checkText(r.With, maxWith)
}

// CheckCutMark checks the text of Source.CutMark.
func CheckCutMark(mark string) error { return checkText(mark, maxCutMark) }

// checkText checks a text that becomes part of a line.
func checkText(text string, limit int) error {
	if strings.ContainsRune(text, '\n') {
		return fmt.Errorf("%q has a line break: it would make one line two", text)
	}
	if len(text) > limit {
		return fmt.Errorf("%.20q… has %d bytes, %d are allowed", text, len(text), limit)
	}
	return nil
}

// CheckMaxLine checks Source.MaxLine.
func CheckMaxLine(n int64) error {
	if n < 1 || n > MaxEvent {
		return fmt.Errorf("bad size %s: use 1B to %s; a block holds %s, with all that is added to its lines",
			size.Format(n), size.Format(MaxEvent), size.Format(block.MaxRawSize))
	}
	return nil
}

// Timeout returns how long the last event waits for its next line; 0 if none ever waits.
func (p *Processor) Timeout() time.Duration {
	if p == nil || !p.joins() {
		return 0
	}
	return p.multiline.Timeout
}

func (p *Processor) joins() bool { return p.start != nil || p.follows != nil }

// Window returns how many bytes a source must be able to hold at once, so that the first event among them is never too
// long to be seen whole.
func (p *Processor) Window(maxLine int) int {
	if p == nil || !p.joins() {
		return maxLine + 1
	}
	return max(p.multiline.MaxBytes, maxLine+1) + maxLine + 1
}
