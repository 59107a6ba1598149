// Package line makes blocks of the bytes that a source has read, and applies the rules of its section to the lines on
// the way: multiline joins lines to events, include and exclude choose events, redact replaces parts of them, prefix
// stands before their first line. It happens once, before the spool; what is in a block is never looked at again.
//
// # Invariants
//
//   - Without rules no line is looked at singly: the bytes pass in bulk, as package cut parts them.
//   - What becomes of the lines behind a position depends on the position and the bytes alone, not on how they are
//     parted into reads. So a source that is killed and goes on at its last position makes the same of them. Three
//     things are decided by when something is read: that an event has waited for its next line long enough, what {time}
//     is, and, in the middle of a line that is longer than the limit, that what is read first is more of that line.
//   - An event is in one block and is counted, dropped or kept as one. Its position is its first byte until it is
//     complete.
//   - Every line that is dropped is counted, with the reason.
//   - Patterns are Go's regular expressions (RE2), matched with bytes; what is not UTF-8 passes as it is.
//
// # What a pattern is matched with
//
// Multiline's patterns see one line, the others the whole event, without its line ending: the last \n, and the \r before
// it if there is one. So $ matches right before \r\n; the ending itself is delivered as it was. Within an event of
// several lines the endings of all but the last are visible, and ^ and $ match at its beginning and end alone, unless
// the pattern begins with (?m). Redact's rules follow one another: each sees what the one before has made.
//
// # Events
//
// Without multiline each line is an event. With it an event is a line and those that follow, up to the next line that
// matches Start, or that doesn't match Continue. An event that reaches MaxLines, or that the next line would bring above
// MaxBytes, ends there; the lines behind it are another event, even if they don't begin as one. The last event waits for
// the line that ends it until the source says that nothing has followed for Timeout, or that nothing ever will.
//
// # Lines longer than the limit
//
// A line of more than MaxLine bytes is an event of its own, and comes in pieces of MaxLine bytes, each of which becomes a
// line. Include and exclude see its first piece, and what they decide holds for all. The prefix is put before the first,
// CutMark behind all but the last. Redact sees each piece singly: it can't find what stands across a cut. A source that
// is restarted in the middle of such a line decides anew about the rest.
//
// # Layout
//
//	rules.go   Rules and Processor: what is to be done, checked and compiled
//	prefix.go  the template of prefixes
//	event.go   where the next event ends
//	maker.go   Maker, State, Counts: from bytes to blocks
package line
