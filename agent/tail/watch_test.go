package tail

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestEventsOfABusyFile: they rest if they tell nothing new, and only then.
func TestEventsOfABusyFile(t *testing.T) {
	busy := func() *generation { return &generation{dead: true, dueIndex: -1, inflight: true, more: true} } // dead: no worker
	for name, test := range map[string]struct {
		between func(s *Source, g *generation) // the file's two events
		rests   bool
	}{
		"a batch is in flight":   {func(*Source, *generation) {}, true},
		"none is in flight":      {func(_ *Source, g *generation) { g.inflight = false }, false},
		"it was not looked at":   {func(_ *Source, g *generation) { g.more = false }, false},
		"some time has passed":   {func(*Source, *generation) { time.Sleep(gatherTime) }, false},
		"another file has grown": {func(s *Source, _ *generation) { s.written(busy()) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, g := &Source{}, busy()
				s.cfg.PollInterval = time.Second
				s.written(g)
				test.between(s, g)
				s.written(g)
				if rests := s.writes.rest != nil; rests != test.rests {
					t.Errorf("rests: %v", rests)
				}
			})
		})
	}
}
