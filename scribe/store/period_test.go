package store

import (
	"math/rand/v2"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("the time zone %s is not installed: %v", name, err)
	}
	return l
}

func TestPeriodsEndAsTheWallClockShows(t *testing.T) {
	for _, tc := range []struct {
		zone, at string
		period   time.Duration
		want     string
	}{
		{"UTC", "2026-03-04T05:06:07Z", time.Hour, "2026-03-04T06:00:00Z"},
		{"UTC", "2026-03-04T05:00:00Z", time.Hour, "2026-03-04T06:00:00Z"},
		{"UTC", "2026-03-04T05:06:07.999999Z", time.Second, "2026-03-04T05:06:08Z"},
		{"UTC", "2026-03-04T05:06:07Z", 6 * time.Hour, "2026-03-04T06:00:00Z"},
		{"UTC", "2026-03-04T05:06:07Z", 7 * day, "2026-03-09T00:00:00Z"}, // a Monday
		{"UTC", "1960-03-04T05:06:07Z", day, "1960-03-05T00:00:00Z"},
		{"Europe/Berlin", "2026-03-04T23:30:00Z", day, "2026-03-05T23:00:00Z"},
		{"Asia/Kolkata", "2026-03-04T05:06:07Z", time.Hour, "2026-03-04T05:30:00Z"},
		// The clock is set forward at 01:00 UTC: that day has 23 hours, and 02:00 is 03:00.
		{"Europe/Berlin", "2026-03-28T23:00:00Z", day, "2026-03-29T22:00:00Z"},
		{"Europe/Berlin", "2026-03-29T00:30:00Z", time.Hour, "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-03-29T00:30:00Z", 2 * time.Hour, "2026-03-29T01:00:00Z"},
		// It is set back at 01:00 UTC: that day has 25 hours, and it is two o'clock for two hours.
		{"Europe/Berlin", "2026-10-24T22:00:00Z", day, "2026-10-25T23:00:00Z"},
		{"Europe/Berlin", "2026-10-25T00:10:00Z", time.Hour, "2026-10-25T02:00:00Z"},
		{"Europe/Berlin", "2026-10-25T01:10:00Z", time.Hour, "2026-10-25T02:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := periodEnd(at.In(zone(t, tc.zone)), tc.period).UTC().Format(time.RFC3339Nano); got != tc.want {
			t.Errorf("%s in %s, %v: %s, want %s", tc.at, tc.zone, tc.period, got, tc.want)
		}
	}
}

// TestPeriodsAgainstAClock walks from random times, most of them near a change of the clock, to the end of their period.
func TestPeriodsAgainstAClock(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "America/Sao_Paulo", "Pacific/Apia"}
	for range 3000 {
		loc := zone(t, zones[rng.IntN(len(zones))])
		period := []time.Duration{time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, day, 7 * day}[rng.IntN(6)]
		at := time.Unix(1_200_000_000+rng.Int64N(800_000_000), 0).In(loc)
		if _, change := at.ZoneBounds(); !change.IsZero() && rng.IntN(4) > 0 {
			at = change.Add(-time.Duration(rng.Int64N(int64(2 * period))))
		}
		label := func(at time.Time) int64 {
			y, m, d := at.Date()
			seconds := time.Date(y, m, d, at.Hour(), at.Minute(), at.Second(), 0, time.UTC).Unix() - 4*86400
			return floorDiv(seconds, int64(period/time.Second))
		}
		step := min(period/4, 15*time.Minute) // clocks are set at full quarters of an hour
		want := at.Truncate(15 * time.Second)
		for want = want.Truncate(step); label(want) == label(at) || !want.After(at); want = want.Add(step) {
		}
		if got := periodEnd(at, period); !got.Equal(want) {
			t.Errorf("%v, %v: the period ends at %v, want %v", at, period, got, want)
		}
	}
}

func TestCheckPeriod(t *testing.T) {
	for _, d := range []time.Duration{time.Second, time.Minute, 90 * time.Minute, time.Hour, 8 * time.Hour, day, 7 * day} {
		if err := CheckPeriod(d); err != nil {
			t.Error(err)
		}
	}
	for _, d := range []time.Duration{0, -time.Hour, time.Millisecond, 1500 * time.Millisecond, 7 * time.Hour, 36 * time.Hour} {
		if CheckPeriod(d) == nil {
			t.Errorf("%v passed", d)
		}
	}
}

func TestAFileBegunBeforeTheClockWasSetBackIsOver(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tc := range []struct {
		ahead time.Duration
		over  bool
	}{{0, false}, {time.Minute, false}, {-7 * time.Minute, true}, {87600 * time.Hour, true}} {
		if got := periodOver(now.Add(tc.ahead), now, time.Hour); got != tc.over {
			t.Errorf("begun %v ahead: %t", tc.ahead, got)
		}
	}
}
