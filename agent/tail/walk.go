package tail

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// match is a regular file that a section's globs match.
type match struct {
	path    string
	section *section
	stat    fileStat
	log     int32 // number of the log that it feeds among those of the new files; set once it is known to be new
	passed  bool  // what it holds already is not to be read
}

// walk evaluates the globs of all sections once. It reads each folder at most once, and only folders in which a glob
// can match.
type walk struct {
	ctx      context.Context
	sections []*section
	stat     func(path string) (fileStat, error)
	listings map[string][]fs.DirEntry
	seen     map[string]bool
	once     bool // there is but one glob, with one ** at most: it comes by each file once, and need not remember
	section  *section

	// The result.
	matches []match         // those that parts did not get
	parts   chan []match    // takes matches while the walk goes on; nil if they shall be gathered
	folders map[string]bool // where a file that matches can appear, or a folder that leads to one
	closed  []string        // folders that this user may not list or pass through
}

func newWalk(sections []*section, stat func(string) (fileStat, error)) *walk {
	return &walk{
		ctx: context.Background(), sections: sections, stat: stat,
		listings: map[string][]fs.DirEntry{}, seen: map[string]bool{}, folders: map[string]bool{},
		once: len(sections) == 1 && len(sections[0].patterns) == 1 && strings.Count(sections[0].patterns[0], "**") <= 1,
	}
}

func (w *walk) run() *walk {
	for _, w.section = range w.sections {
		for _, p := range w.section.patterns {
			w.descend("/", strings.Split(strings.TrimPrefix(p, "/"), "/"))
		}
	}
	return w
}

// descend finds what the pattern's elements match below folder.
func (w *walk) descend(folder string, elements []string) {
	if w.ctx.Err() != nil {
		return
	}
	element, last := elements[0], len(elements) == 1
	switch {
	case element == "**":
		w.descendAll(folder, elements)
	case !strings.ContainsAny(element, `*?[{\`):
		w.step(folder, filepath.Join(folder, element), last, elements)
	default:
		for _, e := range w.list(folder) {
			if !doublestar.MatchUnvalidated(element, e.Name()) {
				continue
			}
			path := filepath.Join(folder, e.Name())
			if last && !e.IsDir() {
				w.file(path)
			} else if !last && w.isFolder(path, e) {
				w.descend(path, elements[1:])
			}
		}
	}
}

// descendAll handles **: any number of folders, none included. It does not follow links, which might lead in a circle.
func (w *walk) descendAll(folder string, elements []string) {
	last := len(elements) == 1
	if !last {
		w.descend(folder, elements[1:])
	}
	for _, e := range w.list(folder) {
		switch {
		case e.IsDir():
			w.descend(filepath.Join(folder, e.Name()), elements)
		case last:
			w.file(filepath.Join(folder, e.Name()))
		}
	}
	if w.once {
		delete(w.listings, folder)
	}
}

// step handles an element without wildcards.
func (w *walk) step(folder, path string, last bool, elements []string) {
	if last {
		w.folders[folder] = true
		w.file(path)
		return
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		w.folders[folder] = true // it may appear here
		w.barred(folder, err)
		return
	}
	w.descend(path, elements[1:])
}

func (w *walk) isFolder(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := os.Stat(path)
	w.barred(filepath.Dir(path), err)
	return err == nil && info.IsDir()
}

// barred notes the folder if the error is that this user may not enter it.
func (w *walk) barred(folder string, err error) {
	if errors.Is(err, fs.ErrPermission) && !slices.Contains(w.closed, folder) {
		w.closed = append(w.closed, folder)
	}
}

func (w *walk) list(folder string) []fs.DirEntry {
	if entries, ok := w.listings[folder]; ok {
		return entries
	}
	entries, err := os.ReadDir(folder)
	w.listings[folder] = entries
	if err == nil {
		w.folders[folder] = true
	}
	w.barred(folder, err)
	return entries
}

func (w *walk) file(path string) {
	if w.seen[path] || w.section.excludes(path) {
		return
	}
	st, err := w.stat(path)
	w.barred(filepath.Dir(path), err)
	if err != nil || !st.regular {
		return
	}
	if !w.once {
		w.seen[path] = true
	}
	w.matches = append(w.matches, match{path: path, section: w.section, stat: st})
	if w.parts != nil && len(w.matches) == partSize {
		select {
		case w.parts <- w.matches:
		case <-w.ctx.Done():
		}
		w.matches = make([]match, 0, partSize)
	}
}

// partSize is how many matches a scan hands over at a time.
const partSize = 512
