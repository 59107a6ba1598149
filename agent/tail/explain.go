package tail

import (
	"fmt"
	"os"
	"path/filepath"
)

// Explanation is what a source that starts now, as this user, does with one file, and why.
type Explanation struct {
	Path    string   // absolute
	Section int      // index of the section that covers the file, -1 if none does
	Glob    string   // of that section, which matches the file, or the path that it was rotated from
	Log     string   // to which its lines go, "" if it is not read
	Reasons []string // why it is not read, each a clause; none if it is
	Notes   []string // what is unusual about its reading
	// Excluded are the sections whose globs match, but that leave the file out.
	Excluded []Exclusion
	Size     int64 // bytes
	Offset   int64 // from where reading goes on, in bytes; -1 if that is not known
}

// Exclusion is a section that leaves a file out, and by which of its exclude globs.
type Exclusion struct {
	Section       int
	Glob, Exclude string
}

// Read says whether the file is read.
func (e *Explanation) Read() bool { return len(e.Reasons) == 0 }

// Explain explains each of the paths. The checkpoints are those of the spool, nil if they are not known: then nothing is
// said of offsets. It changes nothing. The error is about the sections.
func Explain(sections []Section, host string, checkpoints map[string][]byte, paths []string) ([]Explanation, error) {
	parsed, err := parseSections(sections, host)
	if err != nil {
		return nil, err
	}
	var all []Explanation
	for _, path := range paths {
		x := explainer{sections: parsed, checkpoints: checkpoints}
		x.Section, x.Offset = -1, -1
		if x.Path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		x.explain()
		all = append(all, x.Explanation)
	}
	return all, nil
}

// explainer explains one file.
type explainer struct {
	sections    []*section
	checkpoints map[string][]byte
	Explanation
}

func (x *explainer) because(format string, args ...any) {
	x.Reasons = append(x.Reasons, fmt.Sprintf(format, args...))
}

func (x *explainer) note(format string, args ...any) {
	x.Notes = append(x.Notes, fmt.Sprintf(format, args...))
}

func (x *explainer) explain() {
	x.cover(x.Path)
	if x.Section >= 0 {
		if reason := unreachable(x.Glob, x.Path); reason != "" {
			x.because("the glob %s matches it, and does not find it: %s", x.Glob, reason)
		}
	}
	st, err := statPath(x.Path)
	switch {
	case err != nil:
		x.because("%s", obstacle(x.Path))
	case !st.regular:
		x.because("it is %s, and only regular files are read", kindOf(x.Path))
	default:
		x.Size = st.size
		x.find(st)
		if err := readable(x.Path); err != nil {
			x.because("%s", obstacle(x.Path))
		}
	}
	if !x.Read() {
		x.Log, x.Offset = "", -1
	}
}

// cover finds the section that covers the path, and the log.
func (x *explainer) cover(path string) {
	for i, s := range x.sections {
		glob := s.matching(path)
		if glob == "" {
			continue
		}
		if exclude := s.excluding(path); exclude != "" {
			x.Excluded = append(x.Excluded, Exclusion{i, glob, exclude})
			continue
		}
		x.Section, x.Glob = i, glob
		if packed(path) {
			x.because("its name is that of a compressed copy: of such a file only what was not read before is taken, if anything")
			return
		}
		log, err := s.log.render(path)
		if err != nil {
			x.because("%v", err)
		}
		x.Log = log
		return
	}
}

// find finds out as which file of which path the source knows it, and how far it is read.
func (x *explainer) find(st fileStat) {
	c, known := x.checkpoint(st)
	switch {
	case x.Section >= 0 && x.checkpoints == nil:
	case x.Section >= 0:
		x.goOn(c, known, st)
	case known && c.ordinal > 0 && c.path != x.Path: // it is read for as long as a section covers where it was
		if x.cover(c.path); x.Section < 0 {
			x.because("it was read as %s, which no section covers any more", c.path)
			return
		}
		x.note("it was at %s before", c.path)
		x.Log = c.log
		x.goOn(c, known, st)
	default:
		x.uncovered(c, known)
	}
}

// goOn finds out where reading goes on.
func (x *explainer) goOn(c checkpoint, known bool, st fileStat) {
	x.Offset = 0
	switch {
	case !known && len(x.checkpoints) == 0 && x.sections[x.Section].fromEnd:
		x.Offset = st.size
		x.note("nothing was read with this spool yet: the file is read from its end")
	case !known || c.ordinal == 0:
	case !sound(x.Path, c):
		x.note("it was truncated or rewritten since it was last read, at %d bytes: it is read from its beginning", c.position)
	default:
		x.Offset = c.position
	}
}

// sound says whether what was read of the file is still in it, as far as that can be told.
func sound(path string, c checkpoint) bool {
	f, err := openFile(path)
	if err != nil {
		return true
	}
	defer f.Close()
	ok, err := verify(f, c.position, c.head, c.tail)
	return ok || err != nil
}

// uncovered says why a file is not read that no section covers.
func (x *explainer) uncovered(c checkpoint, known bool) {
	origin := x.origin()
	switch {
	case known && c.ordinal == 0:
		x.because("it was rotated away from %s before that was first looked at", c.path)
	case known:
		x.because("no section covers it any more; it was read up to byte %d, into the log %s", c.position, c.log)
	case origin != "" && x.checkpoints == nil:
		x.because("no glob matches it; it bears a rotated name of %s, which is covered: it is read if it was rotated while that was tailed", origin)
	case origin != "":
		x.because("no glob matches it; it bears a rotated name of %s, which is covered, but it is none of the files that were read there", origin)
	case len(x.Excluded) == 0:
		x.because("no glob matches it")
	default:
		x.because("it is excluded")
	}
}

// origin returns the covered path of which the file bears a rotated name, "" if there is none.
func (x *explainer) origin() string {
	for _, base := range rotationBases(filepath.Base(x.Path)) {
		if origin := filepath.Join(filepath.Dir(x.Path), base); sectionOf(x.sections, origin) != nil {
			return origin
		}
	}
	return ""
}

// checkpoint returns what is known of the file.
func (x *explainer) checkpoint(st fileStat) (checkpoint, bool) {
	key := checkpointKey(st.inode)
	value, ok := x.checkpoints[key]
	if !ok {
		return checkpoint{}, false
	}
	c, err := decodeCheckpoint(key, value)
	if err != nil {
		x.note("%v; it counts as none", err)
		return checkpoint{}, false
	}
	return c, c.id.same(st.identity)
}

// readable returns an error if the file can't be opened.
func readable(path string) error {
	f, err := openFile(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// kindOf says what is at the path.
func kindOf(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "no file"
	case info.IsDir():
		return "a folder"
	case info.Mode()&os.ModeNamedPipe != 0:
		return "a named pipe"
	case info.Mode()&os.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}
