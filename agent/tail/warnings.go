package tail

import "fmt"

// Warning is something in the sections that is right, and yet may not be meant.
type Warning struct {
	Section int // index of the section
	Glob    string
	Text    string // what is the matter with the glob
}

// Warnings returns where the sections see nothing, or less than it seems, as of now and for this user: globs without a
// file, folders that are closed to this user, and files that an earlier section takes. It changes nothing. The error is about the sections.
func Warnings(sections []Section, host string) ([]Warning, error) {
	parsed, err := parseSections(sections, host)
	if err != nil {
		return nil, err
	}
	var all []Warning
	for i, s := range parsed {
		for _, glob := range s.patterns {
			w := newWalk([]*section{{patterns: []string{glob}, exclude: s.exclude}}, statPath).run()
			if len(w.matches) == 0 && len(w.closed) == 0 {
				all = append(all, Warning{i, glob, blindness(glob)})
			}
			if len(w.closed) > 0 {
				all = append(all, Warning{i, glob, closedTo(w.closed)})
			}
			if w, ok := shadowed(parsed[:i], w.matches); ok {
				w.Section, w.Glob = i, glob
				all = append(all, w)
			}
		}
	}
	return all, nil
}

// closedTo says what of the folders is closed to this user.
func closedTo(folders []string) string {
	at := folders[0]
	text := owned(at) + " does not let this user through"
	if !listable(at) {
		text = owned(at) + " can't be listed by this user"
	}
	switch n := len(folders) - 1; {
	case n == 1:
		text += "; nor can another folder be looked into"
	case n > 1:
		text += fmt.Sprintf("; nor can %d other folders be looked into", n)
	}
	return text + ": what is in there is not seen"
}

// shadowed warns if sections before a glob's own take some of its matches.
func shadowed(earlier []*section, matches []match) (w Warning, ok bool) {
	taken, example := 0, ""
	for _, m := range matches {
		if sectionOf(earlier, m.path) != nil {
			taken++
			example = m.path
		}
	}
	if taken == 0 {
		return w, false
	}
	return Warning{Text: fmt.Sprintf("%d of %d files belong to a table above it, such as %s: the first one that matches a file has it",
		taken, len(matches), example)}, true
}
