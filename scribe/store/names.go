package store

import (
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/logname"
)

// rotatedName returns the path below the root of a log's file that was rotated at that time, in microseconds since 1970 UTC.
func rotatedName(log string, stamp int64, extension string) string {
	return logname.Rotated(log, time.UnixMicro(stamp)) + extension
}

// rotatedAmong goes through those of the names in the log's folder, which are sorted, that are of rotated files of it,
// whether a rotation is committed or not. A file and its compressed copy have the same time, and come one after the other.
func rotatedAmong(names []string, log string) iter.Seq[rotatedFile] {
	return func(yield func(rotatedFile) bool) {
		base := path.Base(log)
		from, _ := slices.BinarySearch(names, base+"_")
		for _, name := range names[from:] {
			if !strings.HasPrefix(name, base+"_") {
				return
			}
			of, at, extension, ok := logname.SplitRotated(name)
			if ok && of == base && !yield(rotatedFile{stamp: at.UnixMicro(), extension: extension}) {
				return
			}
		}
	}
}

// temporarySuffix ends the name of a file that is being compressed.
const temporarySuffix = ".tmp"

// temporary returns the path of the temporary file from which the file becomes.
func temporary(file string) string {
	return path.Join(path.Dir(file), "."+path.Base(file)+temporarySuffix)
}

// fromTemporary is the reverse of temporary; it returns whether the file is a temporary one, and else its name.
func fromTemporary(file string) (string, bool) {
	base := path.Base(file)
	if !strings.HasPrefix(base, ".") || !strings.HasSuffix(base, temporarySuffix) {
		return file, false
	}
	return path.Join(path.Dir(file), base[1:len(base)-len(temporarySuffix)]), true
}
