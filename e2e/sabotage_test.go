package e2e

import (
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/sabotage"
)

// TestChaosFindsSabotage proves that the chaos test can fail: with a protection switched off it finds a loss or a
// duplicate. The kills are those that the protection is for.
func TestChaosFindsSabotage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("not with -short")
	}
	agents := func(x *chaos) []*proc { return x.agents }
	scribes := func(x *chaos) []*proc { return x.scribes }
	for _, c := range []struct {
		protection sabotage.Switch
		victims    func(*chaos) []*proc
	}{
		{sabotage.Dedup, agents},
		{sabotage.Cut, scribes},
		{sabotage.Joint, agents},
	} {
		t.Run(string(c.protection), func(t *testing.T) {
			t.Parallel()
			seed := newSeed()
			began, kills := time.Now(), 0
			for time.Since(began) < time.Minute {
				d := sabotagedRound(t, seed, c.protection, c.victims, &kills)
				if d != nil {
					t.Logf("found after %d kills and %v: %v", kills, time.Since(began).Round(time.Millisecond), d)
					return
				}
				seed++
			}
			t.Errorf("%d kills in %v, and no difference was found, with seeds up to %d", kills, time.Since(began), seed)
		})
	}
}

// sabotagedRound runs a short round without the protection and returns a difference that no delay explains.
func sabotagedRound(t *testing.T, seed uint64, off sabotage.Switch, victims func(*chaos) []*proc, kills *int) *difference {
	t.Helper()
	x := newChaos(t, &sabotaged, shape{
		seed: seed, duration: 3 * time.Second, kills: 15, scribes: 1, agents: 1, logs: 3,
		maxPause: 2 * time.Millisecond, victims: victims, plain: true,
	}, "LOGSCRIBE_SABOTAGE="+string(off))
	defer x.cleanUp()
	x.run()
	*kills += x.tally.kills
	var found *difference
	eventually(5*time.Second, func() bool {
		for _, d := range x.differences(x.wants) {
			if !d.missing {
				found = d
			}
		}
		return found != nil || x.arrived(x.wants)
	})
	return found
}
