package spool

import (
	"log/slog"
	"time"
)

// complainEvery is how often a trouble is logged while it lasts, and how long it must be over to be called so.
const complainEvery = 10 * time.Second

// trouble is something that fails again and again, and must not fill the log.
type trouble struct {
	since, last, said time.Time // zero: never
}

// report notes that it happened, and logs it now and then.
func (t *trouble) report(logger *slog.Logger, message string, args ...any) {
	t.last = time.Now()
	if t.since.IsZero() {
		t.since = t.last
	}
	if t.last.Sub(t.said) >= complainEvery {
		t.said = t.last
		logger.Error(message, args...)
	}
}

// end logs that it is over, once it has not happened for a while.
func (t *trouble) end(logger *slog.Logger, message string, args ...any) {
	if !t.since.IsZero() && time.Since(t.last) >= complainEvery {
		logger.Info(message, append(args, "after", t.last.Sub(t.since).Round(time.Millisecond))...)
		t.since = time.Time{}
	}
}
