package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	Size     int64 // bytes; -1 of one that is compressed
	Offset   int64 // from where reading goes on, in bytes of what is packed in it; -1 if that is not known
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
	folders := map[string]bool{}
	for i := range paths {
		path, err := filepath.Abs(paths[i])
		if err != nil {
			return nil, err
		}
		folders[filepath.Dir(path)] = true
		if target, err := filepath.EvalSymlinks(path); err == nil {
			folders[filepath.Dir(target)] = true
		}
	}
	source, err := rehearse(sections, host, checkpoints, folders)
	if err != nil {
		return nil, err
	}
	var all []Explanation
	for _, path := range paths {
		x := explainer{source: source, checkpoints: checkpoints}
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
	source      *Source // a rehearsal
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
	x.cover()
	st, err := statPath(x.Path)
	if err != nil || !st.regular {
		x.unseen()
		if err != nil {
			x.because("%s", obstacle(x.Path))
		} else {
			x.because("it is %s, and only regular files are read", kindOf(x.Path))
		}
		return
	}
	x.Size = st.size
	switch g := x.source.byInode[st.inode]; {
	case g == nil || !g.id.same(st.identity) || g.dead, g.ordinal == 0 && x.checkpoints == nil:
		x.unknown(st)
	case g.ordinal == 0 && packed(g.name):
		x.packed()
	case g.ordinal == 0:
		x.because("it was rotated away from %s before that was first looked at", g.path)
	case g.lineage == nil:
		x.because("no section covers it any more; it was read up to byte %d, into the log %s", g.position, g.log)
	case g.name == "":
		x.because("it was found at %s, which leads elsewhere now; it was read up to byte %d, into the log %s", g.path, g.position, g.log)
	default:
		x.known(g, st)
	}
}

// cover finds the section that covers the path.
func (x *explainer) cover() {
	for i, s := range x.source.sections {
		glob := s.matching(x.Path)
		if glob == "" {
			continue
		}
		if exclude := s.excluding(x.Path); exclude != "" {
			x.Excluded = append(x.Excluded, Exclusion{i, glob, exclude})
			continue
		}
		x.Section, x.Glob = i, glob
		return
	}
}

// unseen says why the glob that matches the path does not come upon it, if it doesn't.
func (x *explainer) unseen() (reason bool) {
	if x.Section < 0 {
		return false
	}
	why := unreachable(x.Glob, x.Path)
	if why != "" {
		x.because("the glob %s matches it, and does not find it: %s", x.Glob, why)
	}
	return why != ""
}

// known says how a file is read that is one of the source's.
func (x *explainer) known(g *generation, st fileStat) {
	x.Section = slices.Index(x.source.sections, g.lineage.section)
	x.Glob = g.lineage.section.matching(g.path)
	x.Log = g.log
	if err := readable(x.Path); err != nil {
		x.because("%s", obstacle(x.Path))
		x.Log = ""
		return
	}
	if g.path != x.Path {
		if home, err := statPath(g.path); err == nil && home.identity.same(g.id) {
			x.note("it is read as %s, which is the same file", g.path)
		} else {
			x.note("it was at %s before", g.path)
		}
	}
	if x.checkpoints == nil {
		return
	}
	x.Offset = g.position
	c, before := x.checkpoint(st)
	switch {
	case packed(g.name):
		x.Size = -1
		x.note("it is compressed: what was not read before is taken out of it")
	case before && c.position > 0 && (g.position == 0 || g.truncated):
		x.Offset = 0
		x.note("it was truncated or rewritten since it was last read, at %d bytes: it is read from its beginning", c.position)
	case before || g.position == 0:
	case len(x.checkpoints) == 0:
		x.note("nothing was read with this spool yet: the file is read from its end")
	default:
		x.note("it holds what was read at %s, and is not read from its beginning", g.path)
	}
}

// unknown says why a file is not read that is none of the source's.
func (x *explainer) unknown(st fileStat) {
	origin := x.origin()
	g := x.source.copies[st.identity]
	switch {
	case packed(x.Path) && (x.Section >= 0 || len(x.Excluded) == 0):
		x.packed()
	case x.unseen():
	case g != nil:
		x.because("it holds what %s holds, and counts as a copy of that", g.path)
	case x.Section >= 0 && x.badName():
	case x.Section >= 0 && origin != "":
		x.because("it may be a copy of %s, and is looked at again", origin)
	case x.Section >= 0:
		x.because("it is changing, and is looked at again")
	case origin != "" && x.checkpoints == nil:
		x.because("no glob matches it; it bears a rotated name of %s, which is covered: it is read if it was rotated while that was tailed", origin)
	case origin != "":
		x.because("no glob matches it; it bears a rotated name of %s, which is covered, but it is none of the files that were read there", origin)
	case len(x.Excluded) > 0:
		x.because("it is excluded")
	default:
		x.because("no glob matches it")
	}
}

func (x *explainer) packed() {
	x.because("its name is that of a compressed copy: of such a file only what was not read before is taken, if anything")
}

// badName says that its log would have a bad name, if it would.
func (x *explainer) badName() bool {
	_, err := x.source.sections[x.Section].log.render(x.Path)
	if err != nil {
		x.because("%v", err)
	}
	return err != nil
}

// origin returns the covered path of which the file bears a rotated name, "" if there is none.
func (x *explainer) origin() string {
	for _, base := range rotationBases(filepath.Base(x.Path)) {
		if origin := filepath.Join(filepath.Dir(x.Path), base); sectionOf(x.source.sections, origin) != nil {
			return origin
		}
	}
	return ""
}

// checkpoint returns what the spool knows of the file.
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
