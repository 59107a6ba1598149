// Package logname holds the rules for the names of logs and of the files they become on a Scribe.
//
// A log is named path/filename: elements separated by single slashes, the last one the file's name without its
// extension. The log web/access is the file web/access.log below the Scribe's root; when that file is full it is
// renamed to web/access_20060102T150405.000000Z.log, the UTC time of the rotation in microseconds. Compressed, it is
// web/access_20060102T150405.000000Z.log.zst or .gz.
package logname

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits in bytes. MaxElement leaves room for a rotated file's suffix within the 255 bytes that file systems allow.
const (
	MaxElement = 200
	MaxName    = 1000
)

// Extension is the extension of every log file.
const Extension = ".log"

// StateDir is the folder below the root that holds the Scribe's own state; no log may lie in it.
const StateDir = ".scribe"

const timeLayout = "20060102T150405.000000Z"

var rotated = regexp.MustCompile(`_\d{8}T\d{6}\.\d{6}Z$`)

// Check returns an error that quotes the name and says what is wrong with it, or nil.
func Check(name string) error {
	bad := func(why string) error { return fmt.Errorf("bad log name %q: %s", clip(name), why) }
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > MaxName:
		return bad(fmt.Sprintf("it is longer than %d bytes", MaxName))
	case !utf8.ValidString(name):
		return bad("it is not valid UTF-8")
	case name[0] == '/':
		return bad("it is an absolute path; names are relative to the Scribe's root")
	}
	elements := strings.Split(name, "/")
	for _, e := range elements {
		switch {
		case e == "":
			return bad("it has an empty element")
		case e == "." || e == "..":
			return bad(fmt.Sprintf("it has the element %q", e))
		case len(e) > MaxElement:
			return bad(fmt.Sprintf("an element is longer than %d bytes", MaxElement))
		case strings.ContainsFunc(e, unicode.IsControl):
			return bad("it has a control character")
		case rotated.MatchString(withoutExtensions(e)):
			return bad("it looks like a rotated file of another log")
		}
	}
	if elements[0] == StateDir {
		return bad(StateDir + " is the Scribe's own folder")
	}
	return nil
}

// withoutExtensions returns a name without the extensions that files of logs have.
func withoutExtensions(name string) string {
	for _, extension := range Compressed {
		name = strings.TrimSuffix(name, extension)
	}
	return strings.TrimSuffix(name, Extension)
}

// Join returns the name of the log filename in the folder dir, which may be empty. It does not check it.
func Join(dir, filename string) string {
	if dir == "" {
		return filename
	}
	return dir + "/" + filename
}

// Active returns the slash-separated path of the log's active file below the root.
func Active(name string) string { return name + Extension }

// Rotated returns the slash-separated path below the root of the file that a rotation at t makes.
func Rotated(name string, t time.Time) string {
	return name + "_" + t.UTC().Format(timeLayout) + Extension
}

// RotatedAt returns the time in a rotated file's path, and whether file is one of the log's rotated files at all.
func RotatedAt(name, file string) (time.Time, bool) {
	stamp, ok := strings.CutPrefix(file, name+"_")
	if !ok {
		return time.Time{}, false
	}
	stamp, ok = strings.CutSuffix(stamp, Extension)
	if !ok || len(stamp) != len(timeLayout) {
		return time.Time{}, false
	}
	t, err := time.Parse(timeLayout, stamp)
	return t, err == nil
}

// Compressed are the extensions that a rotated file's name gets once it is compressed.
var Compressed = []string{".zst", ".gz"}

// SplitRotated parts the path of a rotated file into the log's name, the time of the rotation and the extension of
// Compressed, "" for a file that is not compressed. It returns whether file can be a rotated file at all.
func SplitRotated(file string) (name string, at time.Time, compressed string, ok bool) {
	for _, extension := range Compressed {
		if strings.HasSuffix(file, extension) {
			compressed = extension
		}
	}
	file = strings.TrimSuffix(file, compressed)
	cut := len(file) - len("_"+timeLayout+Extension)
	if cut <= 0 {
		return "", time.Time{}, "", false
	}
	name = file[:cut]
	at, ok = RotatedAt(name, file)
	return name, at, compressed, ok
}

// Dir returns the slash-separated folder of the log's files below the root, "." for the root itself.
func Dir(name string) string { return path.Dir(name) }

// clip shortens what an error quotes.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
