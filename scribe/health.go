package scribe

import (
	"fmt"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
)

// A look at the disk is made no more often than that, and waited for no longer.
const (
	tryEvery    = 5 * time.Second
	tryPatience = time.Second
)

// diskSeen is what the last look at the disk has seen.
type diskSeen struct {
	free, total int64 // of the root's volume, in bytes
}

func (s *Scribe) tryDisk() []string {
	var seen diskSeen
	var err error
	if seen.free, seen.total, err = s.store.Space(); err == nil {
		s.diskSeen.Store(&seen)
		err = s.store.Try()
	}
	if err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Summary returns what the Scribe has done since it was started, in a few words.
func (s *Scribe) Summary() string {
	st := s.store.Stats()
	return fmt.Sprintf("%d logs used, %d lines committed", st.Logs, st.CommittedLines)
}

// Live returns which of the Scribe's main loops have stopped doing their work, a reason each.
func (s *Scribe) Live() []string {
	if busy := s.store.Busy(); busy > ops.StuckAfter() {
		return []string{fmt.Sprintf("a round of commits has made no progress for %v", busy.Round(time.Second))}
	}
	return nil
}

// Ready returns why the Scribe can't do its job: to write lines that mediators send it, or agents where it has none.
func (s *Scribe) Ready() []string {
	wrong := s.disk.Check()
	if s.registry == nil {
		return wrong
	}
	var unknown []string
	for _, m := range s.registry.mediators {
		switch done, err := m.state.get(); {
		case err != nil:
			unknown = append(unknown, fmt.Sprintf("not registered with the mediator %s: %v", m.addr, err))
		case !done:
			unknown = append(unknown, fmt.Sprintf("not registered with the mediator %s yet", m.addr))
		}
	}
	if len(unknown) == len(s.registry.mediators) { // with one of several, lines come
		wrong = append(wrong, unknown...)
	}
	return wrong
}
