package latency

import (
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	if got := h.Snapshot(); got != (Snapshot{}) {
		t.Errorf("an empty one: %+v", got)
	}
	for _, d := range []time.Duration{0, Bounds[0], Bounds[0] + 1, time.Second, time.Minute} {
		h.Observe(d)
	}
	got := h.Snapshot()
	if got.Count != 5 || got.Sum != 2*Bounds[0]+1+time.Minute+time.Second {
		t.Errorf("got %+v", got)
	}
	for i, bound := range Bounds {
		want := uint64(3)
		switch {
		case i == 0:
			want = 2
		case bound >= time.Second:
			want = 4
		}
		if got.Buckets[i] != want {
			t.Errorf("up to %v: got %d, want %d", bound, got.Buckets[i], want)
		}
	}
	if !slices.IsSorted(Bounds[:]) || Bounds[0] != 100*time.Microsecond || Bounds[len(Bounds)-1] != 10*time.Second {
		t.Errorf("bounds %v", Bounds)
	}
}
