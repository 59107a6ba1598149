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
	// Summary returns what the program does, in a few words for people. It is not called by two at once either.
	Summary func() string
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
type checks struct {
	live, ready, summary *Probe
}

func newChecks(t Target) *checks {
	return &checks{
		live:    NewProbe("the program hangs", 0, hangs, t.Live),
		ready:   NewProbe("the program hangs", 0, hangs, t.Ready),
		summary: NewProbe("what it does is not known", 0, hangs, func() []string { return []string{t.Summary()} }),
	}
}

// Live returns which of the program's main loops do not live, a reason each. Until Show it starts, which may take as long
// as it must.
func (s *Server) Live() []string {
	if c := s.checks.Load(); c != nil {
		return c.live.Check()
	}
	return nil
}

// Ready returns why the program is not able to do its job, a reason each.
func (s *Server) Ready() []string {
	if c := s.checks.Load(); c != nil {
		return c.ready.Check()
	}
	return []string{"it has not started yet"}
}

// Summary returns what the program does; "" until Show.
func (s *Server) Summary() string {
	if c := s.checks.Load(); c != nil {
		return strings.Join(c.summary.Check(), "; ")
	}
	return ""
}

// Shown says whether the program has started, which Show told.
func (s *Server) Shown() bool { return s.checks.Load() != nil }

// healthz answers whether the process and its main loops live.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { answer(w, s.Live()) }

// readyz answers whether the program can do its job.
func (s *Server) readyz(ctx context.Context, w http.ResponseWriter) {
	if ctx.Err() != nil {
		answer(w, []string{"it stops"})
		return
	}
	answer(w, s.Ready())
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
