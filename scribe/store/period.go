package store

import (
	"fmt"
	"time"
)

const day = 24 * time.Hour

// monday is a Monday at midnight, in seconds since 1970 of a wall clock: periods of seven days begin on Mondays.
const monday = 4 * 24 * 60 * 60

// CheckPeriod returns an error if d is no length of periods: they divide a day into equal parts of at least a second, or are
// whole days.
//
// Periods begin at the same times of each day as the wall clock of the host shows them: those of 24h at midnight, those
// of 6h at midnight, 6, 12 and 18 o'clock, those of 168h on Mondays. Where the clock is set forward or back for summer
// time, a period is that much shorter or longer.
func CheckPeriod(d time.Duration) error {
	if d >= time.Second && d%time.Second == 0 && (day%d == 0 || d%day == 0) {
		return nil
	}
	return fmt.Errorf("bad period %v: a day must be a multiple of it, as of 1h, or it one of days, as 24h or 168h", d)
}

// wall returns what the wall clock shows at t, in seconds since a Monday.
func wall(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset) - monday
}

// periodEnd returns the time at which the period ends that t lies in: when the wall clock, in t's location, first shows
// a time of another period.
func periodEnd(t time.Time, period time.Duration) time.Time {
	seconds := int64(period / time.Second)
	number := func(t time.Time) int64 { return floorDiv(wall(t), seconds) }
	for {
		end := time.Unix(t.Unix()+(number(t)+1)*seconds-wall(t), 0).In(t.Location())
		_, change := t.ZoneBounds() // when the wall clock is set forward or back
		switch {
		case change.IsZero() || end.Before(change):
			return end
		case number(change) != number(t):
			return change
		}
		t = change
	}
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// periodOver says whether a file that was begun at that time belongs to another period than now. One that lies far ahead was
// begun before the clock was set back.
func periodOver(begun, now time.Time, period time.Duration) bool {
	if period <= 0 {
		return false
	}
	end := periodEnd(begun.In(now.Location()), period)
	return !now.Before(end) || end.Sub(now) > 2*period+2*time.Hour
}
