package logname

import (
	"fmt"

	"github.com/bmatcuk/doublestar/v4"
)

// Matcher returns what tells whether a log's name matches the glob, in which * is any part of an element and ** any
// elements; "" matches all. The error quotes what can't be a glob.
func Matcher(glob string) (func(name string) bool, error) {
	if glob == "" {
		return func(string) bool { return true }, nil
	}
	if !doublestar.ValidatePattern(glob) {
		return nil, fmt.Errorf("bad pattern %q: write a glob of names of logs, such as web/* or **/access", glob)
	}
	return func(name string) bool { return doublestar.MatchUnvalidated(glob, name) }, nil
}
