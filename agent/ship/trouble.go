package ship

import (
	"log/slog"
	"time"
)

// remindEvery is how often a trouble that lasts is logged again.
const remindEvery = 30 * time.Second

// trouble logs a state that lasts without repeating itself: at its beginning, from time to time, and at its end.
type trouble struct {
	since, said time.Time
}

func (t *trouble) report(logger *slog.Logger, message string, err error, args ...any) {
	now := time.Now()
	if t.since.IsZero() {
		t.since = now
	}
	if now.Sub(t.said) >= remindEvery {
		t.said = now
		logger.Warn(message, append(args, "error", err)...)
	}
}

func (t *trouble) over(logger *slog.Logger, args ...any) {
	if !t.since.IsZero() {
		logger.Info("shipping again", append(args, "after", time.Since(t.since).Round(time.Millisecond))...)
	}
	*t = trouble{}
}
