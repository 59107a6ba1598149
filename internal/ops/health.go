package ops

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Target is a program that has started.
type Target struct {
	Collectors []prometheus.Collector
	// Live returns which of the main loops have stopped doing their work, a reason each, nil if none has. Ready returns
	// why the program is not able to do its job. Both are for people; neither is called by two at once.
	Live, Ready func() []string
}

const (
	// hangs is how long a program may take to say how it is. Longer means that it waits for a lock that nobody gives back.
	hangs = 5 * time.Second
	// stuckAfter is how long a main loop may work on one thing. A disk may take long, and a restart would not mend it.
	stuckAfter = time.Minute
)

// StuckAfter is how long a main loop may work on one thing before Live should say that it does not live.
func StuckAfter() time.Duration { return stuckAfter }

// checks are the answers of one program.
type checks struct{ live, ready *Probe }

func newChecks(t Target) *checks {
	return &checks{
		live:  NewProbe("the program hangs", 0, hangs, t.Live),
		ready: NewProbe("the program hangs", 0, hangs, t.Ready),
	}
}

// healthz answers whether the process and its main loops live.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	if c := s.checks.Load(); c != nil {
		answer(w, c.live.Check())
		return
	}
	answer(w, nil) // it starts, which may take as long as it must
}

// readyz answers whether the program can do its job.
func (s *Server) readyz(ctx context.Context, w http.ResponseWriter) {
	c := s.checks.Load()
	switch {
	case ctx.Err() != nil:
		answer(w, []string{"it stops"})
	case c == nil:
		answer(w, []string{"it has not started yet"})
	default:
		answer(w, c.ready.Check())
	}
}

// answer answers ok, or with what is wrong, a line each.
func answer(w http.ResponseWriter, wrong []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(wrong) == 0 {
		_, _ = io.WriteString(w, "ok\n")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, reason := range wrong {
		_, _ = io.WriteString(w, strings.ReplaceAll(reason, "\n", "; ")+"\n")
	}
}
