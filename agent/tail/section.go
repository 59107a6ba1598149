package tail

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
)

// section is a Section that has been checked.
type section struct {
	patterns []string // absolute, without braces that span folders
	exclude  []string // absolute, or without a slash
	log      template
	fromEnd  bool
	codec    block.Codec
	lines    *line.Processor

	closeDeletedAfter time.Duration // 0 is never
}

func parseSections(sections []Section, host string) ([]*section, error) {
	var parsed []*section
	var errs []error
	for i, s := range sections {
		p, err := parseSection(s, host)
		if err != nil {
			errs = append(errs, fmt.Errorf("file section %d: %w", i+1, err))
		}
		parsed = append(parsed, p)
	}
	return parsed, errors.Join(errs...)
}

func parseSection(s Section, host string) (*section, error) {
	p := &section{fromEnd: s.FromEnd, codec: s.Codec, closeDeletedAfter: s.CloseDeletedAfter}
	var err error
	if p.log, err = parseTemplate(s.Log, host); err != nil {
		return nil, err
	}
	if p.lines, err = line.New(s.Lines); err != nil {
		return nil, fmt.Errorf("lines: %w", err)
	}
	if len(s.Paths) == 0 {
		return nil, errors.New("no paths")
	}
	if s.CloseDeletedAfter < 0 {
		return nil, fmt.Errorf("close_deleted_after %v is negative", s.CloseDeletedAfter)
	}
	if !s.Codec.Known() {
		return nil, fmt.Errorf("unknown %s", s.Codec)
	}
	for _, glob := range s.Paths {
		abs, err := absoluteGlob(glob)
		if err != nil {
			return nil, err
		}
		for _, pattern := range splitBraces(abs) {
			p.patterns = append(p.patterns, filepath.Clean(pattern))
		}
	}
	for _, glob := range s.Exclude {
		if strings.Contains(glob, "/") {
			if glob, err = absoluteGlob(glob); err != nil {
				return nil, err
			}
		} else if glob == "" || !doublestar.ValidatePattern(glob) {
			return nil, fmt.Errorf("bad glob %q", glob)
		}
		p.exclude = append(p.exclude, glob)
	}
	return p, nil
}

func absoluteGlob(glob string) (string, error) {
	if glob == "" || !doublestar.ValidatePattern(glob) || strings.ContainsRune(glob, 0) {
		return "", fmt.Errorf("bad glob %q", glob)
	}
	if strings.HasSuffix(glob, "/") {
		return "", fmt.Errorf("bad glob %q: it names a folder; to tail all files in it, add *", glob)
	}
	abs, err := filepath.Abs(glob)
	if err != nil {
		return "", fmt.Errorf("glob %q: %w", glob, err)
	}
	return abs, nil
}

// matches says whether the file at the absolute path belongs to the section.
func (s *section) matches(path string) bool { return s.matching(path) != "" && !s.excludes(path) }

// matching returns the first glob of the section that matches the path, "" if none does.
func (s *section) matching(path string) string {
	for _, p := range s.patterns {
		if matchGlob(p, path) {
			return p
		}
	}
	return ""
}

func (s *section) excludes(path string) bool { return packed(path) || s.excluding(path) != "" }

// excluding returns the first exclude glob of the section that matches the path, "" if none does.
func (s *section) excluding(path string) string {
	for _, p := range s.exclude {
		subject := path
		if !strings.Contains(p, "/") {
			subject = filepath.Base(path)
		}
		if doublestar.MatchUnvalidated(p, subject) {
			return p
		}
	}
	return ""
}

// sectionOf returns the first section to which path belongs, or nil.
func sectionOf(sections []*section, path string) *section {
	for _, s := range sections {
		if s.matches(path) {
			return s
		}
	}
	return nil
}

// matchGlob says whether the glob, which is valid, matches the path. Most often what both begin with tells that it does
// not: there may be very many globs, where files are named one by one.
func matchGlob(glob, path string) bool {
	literal := glob
	if i := strings.IndexAny(glob, `*?[{\`); i >= 0 {
		literal = glob[:i]
	}
	return strings.HasPrefix(path, literal) && doublestar.MatchUnvalidated(glob, path)
}

// splitBraces expands the alternatives that contain a slash, so that what is left can be walked folder by folder.
func splitBraces(pattern string) []string {
	open, depth := -1, 0
	var commas []int
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '{':
			if depth == 0 {
				open, commas = i, nil
			}
			depth++
		case ',':
			if depth == 1 {
				commas = append(commas, i)
			}
		case '}':
			if depth--; depth != 0 || !strings.Contains(pattern[open:i], "/") {
				continue
			}
			var out []string
			from := open + 1
			for _, to := range append(commas, i) {
				out = append(out, splitBraces(pattern[:open]+pattern[from:to]+pattern[i+1:])...)
				from = to + 1
			}
			return out
		}
	}
	return []string{pattern}
}

// Match is one file that a section tails.
type Match struct {
	Section int // index of the section
	Path    string
	Log     string
	SameAs  string // another path of the same file, as which it is read
	Err     error  // why the file is not tailed after all: its log's name is bad
}

// Matches returns the regular files that the sections match now, in the order of the sections and then of the names,
// each path under the first section that matches it. It changes nothing. The error names the section and the value.
func Matches(sections []Section, host string) ([]Match, error) {
	s, err := rehearse(sections, host, nil, nil)
	if err != nil {
		return nil, err
	}
	var matches []Match
	for _, m := range newWalk(s.sections, statPath).run().matches {
		log, err := m.section.log.render(m.path)
		same := ""
		if g := s.byInode[m.stat.inode]; g != nil && g.ordinal > 0 && g.path != m.path {
			same = g.path
		}
		matches = append(matches, Match{Section: slices.Index(s.sections, m.section), Path: m.path, Log: log, SameAs: same, Err: err})
	}
	return matches, nil
}
