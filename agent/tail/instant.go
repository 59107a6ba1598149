package tail

import (
	"math"
	"time"
)

// instant is a moment on the monotonic clock, in nanoseconds since the process began; 0 is no moment, and before all
// others. There are several in each generation, of which there may be very many, and a time.Time is three times as large.
type instant int64

var processBegan = time.Now()

func now() instant { return instantOf(time.Now()) }

func instantOf(t time.Time) instant {
	if i := instant(t.Sub(processBegan)); i != 0 {
		return i
	}
	return 1
}

func (i instant) IsZero() bool { return i == 0 }

func (i instant) Add(d time.Duration) instant { return i + instant(d) }

// Sub returns the time from o to i: since no moment it is as long as can be.
func (i instant) Sub(o instant) time.Duration {
	if o.IsZero() {
		return math.MaxInt64
	}
	return time.Duration(i - o)
}

func (i instant) Before(o instant) bool { return o != 0 && (i == 0 || i < o) }

func (i instant) After(o instant) bool { return o.Before(i) }
