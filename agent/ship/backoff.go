package ship

import (
	"math/rand/v2"
	"time"
)

const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
)

// backoff grows with each failure in a row. The zero value is ready for use.
type backoff struct {
	failures int
}

// next returns how long to pause after one more failure: twice as long as after the one before, up to backoffMax, of
// which a random half is spared so that many agents do not come back in one moment.
func (b *backoff) next() time.Duration {
	pause := backoffMax
	if b.failures < 6 {
		pause = min(backoffMin<<b.failures, backoffMax)
	}
	b.failures++
	return pause/2 + rand.N(pause/2)
}

func (b *backoff) reset() { b.failures = 0 }
