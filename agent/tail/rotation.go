package tail

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rotationSuffix returns what rotating base added to make name, and whether it is a rotated name of base at all: the
// base, or its stem, followed by a mark of digits and time punctuation (app.log.1, app.log-20260101, app-20260101.log,
// app.log.2026-01-01T00:00:00Z). A compressed file is none: its bytes are not those of the file.
func rotationSuffix(base, name string) (suffix string, ok bool) {
	if rest, found := strings.CutPrefix(name, base); found && isRotationMark(rest) {
		return rest, true
	}
	ext := filepath.Ext(base)
	if stem := strings.TrimSuffix(base, ext); ext != "" && stem != "" {
		rest, found := strings.CutPrefix(name, stem)
		rest, hasExt := strings.CutSuffix(rest, ext)
		if found && hasExt && isRotationMark(rest) {
			return rest, true
		}
	}
	return "", false
}

// isRotationMark accepts a separator and then digits, with the punctuation and letters of times between them.
func isRotationMark(s string) bool {
	if len(s) < 2 || !strings.ContainsRune(".-_", rune(s[0])) || s[1] < '0' || s[1] > '9' {
		return false
	}
	return strings.Trim(s[1:], "0123456789.:-_+TZ") == ""
}

// rotationBases returns the names of which name may be a rotated name.
func rotationBases(name string) []string {
	var bases []string
	for i := 1; i < len(name); i++ {
		if !strings.ContainsRune(".-_", rune(name[i])) {
			continue
		}
		if isRotationMark(name[i:]) {
			bases = append(bases, name[:i])
		}
		if ext := filepath.Ext(name[i:]); ext != name[i:] && isRotationMark(strings.TrimSuffix(name[i:], ext)) {
			bases = append(bases, name[:i]+ext)
		}
	}
	return bases
}

// oldestFirst orders siblings as they were written. The clock of modification times is coarse, so that files that were
// rotated in quick succession may share one: then the name decides. A compressed file has the time of what is in it, but was
// born when it was compressed.
func oldestFirst(a, b sibling) int {
	if a.packed() || b.packed() {
		a.stat.born = 0
	}
	if c := compareTimes(a.stat, b.stat); c != 0 {
		return c
	}
	return compareSuffix(a.suffix, b.suffix)
}

func compareTimes(a, b fileStat) int {
	if c := cmp.Compare(a.mtime, b.mtime); c != 0 || a.born == 0 || b.born == 0 {
		return c
	}
	return cmp.Compare(a.born, b.born)
}

// compareSuffix orders the suffixes of one base from the oldest file to the newest: of counters the higher is older,
// of dates the higher is newer, and the name without any is the newest.
func compareSuffix(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	n, aok := rotationNumber(a)
	m, bok := rotationNumber(b)
	if aok && bok {
		return cmp.Compare(m, n)
	}
	return cmp.Compare(a[1:], b[1:]) // whatever separates the date from the name
}

// rotationNumber reads a suffix as a counter. Longer runs of digits are dates.
func rotationNumber(suffix string) (int, bool) {
	if len(suffix) > 5 {
		return 0, false
	}
	n, err := strconv.Atoi(suffix[1:])
	return n, err == nil
}

// writtenOrder sorts newly found files by log, and those that feed one log so that it gets their lines as they were written.
func writtenOrder(files []*match) {
	slices.SortStableFunc(files, func(a, b *match) int {
		if c := cmp.Or(cmp.Compare(a.log, b.log), compareTimes(a.stat, b.stat)); c != 0 {
			return c
		}
		return compareNames(filepath.Base(a.path), filepath.Base(b.path))
	})
}

// compareNames orders two names as compareSuffix does if they are of one base.
func compareNames(a, b string) int {
	if s, ok := rotationSuffix(b, a); ok {
		return compareSuffix(s, "")
	}
	if s, ok := rotationSuffix(a, b); ok {
		return compareSuffix("", s)
	}
	for _, base := range rotationBases(a) {
		if s, ok := rotationSuffix(base, b); ok {
			t, _ := rotationSuffix(base, a)
			return compareSuffix(t, s)
		}
	}
	return cmp.Compare(a, b)
}
