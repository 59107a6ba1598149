// Package failpoint lets the project's own tests stop a program between two given steps, or have the second of them fail.
// In a normal build Reach is an empty function and costs nothing. A build with the tag "sabotage" arms one point from the
// environment:
//
//	LOGSCRIBE_FAILPOINT=commit.ledger=kill@3
//
// does what it says when the point is reached for the third time. The actions are kill (SIGKILL to itself), panic, and
// the names of the errors that Reach then returns: ENOSPC, EIO and EROFS. An error may last: EIO@3x20 is returned twenty
// times, from the third on. The program says so on stderr first, as Announcement words it.
package failpoint

// Announcement begins the line on stderr that says which point has been reached.
const Announcement = "failpoint reached: "
