package ship

import (
	"log/slog"
	"time"
)

// How often a trouble is logged again.
const (
	remindEvery = 30 * time.Second // one that lasts
	repeatEvery = 10 * time.Second // one that comes and goes
)

// trouble logs a state that lasts without repeating itself: at its beginning, from time to time, and at its end. The zero
// value is no trouble.
type trouble struct {
	since time.Time // zero while there is none
	said  time.Time // when it was logged last
}

func (t *trouble) report(logger *slog.Logger, message string, err error, args ...any) {
	now := time.Now()
	every := remindEvery
	if t.since.IsZero() {
		t.since, every = now, repeatEvery
	}
	if t.said.IsZero() || now.Sub(t.said) >= every {
		t.said = now
		logger.Warn(message, append(args, "error", err)...)
	}
}

// over says that there is no trouble, or no longer.
func (t *trouble) over(logger *slog.Logger, args ...any) {
	if !t.since.IsZero() && !t.said.Before(t.since) {
		logger.Info("shipping again", append(args, "after", time.Since(t.since).Round(time.Millisecond))...)
	}
	t.since = time.Time{}
}
