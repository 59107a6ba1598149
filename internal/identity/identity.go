// Package identity holds the rules for the identity that an agent's configuration may give it: the name under which
// Scribes remember how far its sources were read, so that it can go on there after the loss of its spool.
package identity

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLength is the longest identity in bytes.
const MaxLength = 200

// Check returns an error that quotes the identity and says what is wrong with it, or nil. An empty one is no identity.
func Check(identity string) error {
	why := ""
	switch {
	case identity == "":
		why = "it is empty"
	case len(identity) > MaxLength:
		why = fmt.Sprintf("it is longer than %d bytes", MaxLength)
	case !utf8.ValidString(identity):
		why = "it is not valid UTF-8"
	case strings.ContainsFunc(identity, unicode.IsControl):
		why = "it has a control character"
	default:
		return nil
	}
	return fmt.Errorf("bad identity %.60q: %s", identity, why)
}
