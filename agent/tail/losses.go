package tail

import (
	"slices"
	"time"
)

// Reasons of losses.
const (
	lostTruncated = "truncated before it was read"
	lostDeleted   = "deleted, and let go after close_deleted_after"
	lostStopped   = "deleted, and unread when the agent stopped"
	lostDamaged   = "compressed, and damaged"
)

// Loss is what one file has lost for one reason: bytes that were seen in it, or must have been, and that can't be
// delivered any more.
type Loss struct {
	Path   string
	Log    string
	Reason string
	Bytes  int64 // 0 if it is not known how many
	Lines  int64 // newlines in these bytes, as far as they were counted
	When   time.Time
}

// maxLosses limits the list of Losses. Beyond it the oldest entries go; Stats still counts their bytes.
const maxLosses = 1000

// Losses returns what was lost since New, the most recent loss last, one entry for each file and reason. It is safe for
// concurrent use.
func (s *Source) Losses() []Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.losses)
}

// loseLocked counts a loss and says it.
func (s *Source) loseLocked(g *generation, reason string, bytes, lines int64) {
	s.stats.lostBytes.Add(bytes)
	s.tallyLocked(reason, bytes, lines)
	if reason == lostTruncated {
		s.stats.destroyedBytes.Add(bytes)
	}
	loss := Loss{Path: g.path, Log: g.log, Reason: reason, Bytes: bytes, Lines: lines, When: time.Now()}
	if i := slices.IndexFunc(s.losses, func(o Loss) bool { return o.Path == g.path && o.Reason == reason }); i >= 0 {
		loss.Bytes += s.losses[i].Bytes
		loss.Lines += s.losses[i].Lines
		s.losses = slices.Delete(s.losses, i, i+1)
	}
	if len(s.losses) == maxLosses {
		s.losses = slices.Delete(s.losses, 0, 1)
	}
	s.losses = append(s.losses, loss)
	if s.quiet.may("lost "+reason+g.path, time.Minute) {
		s.log.Error("lines of a file are lost", "path", g.path, "log", g.log, "reason", reason, "bytes", bytes, "lines", lines)
	}
}
