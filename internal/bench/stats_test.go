package main

import (
	"math"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{3, 1}, spread{2, 1, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 3, 2}, spread{2.5, 1, 4}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("%v: got %+v, want %+v", test.values, got, test.want)
		}
	}
	if s := spreadOf(nil); !math.IsNaN(s.Median) {
		t.Errorf("of nothing: %+v", s)
	}
}

func TestPercentile(t *testing.T) {
	var values []int
	for i := range 1000 {
		values = append(values, i+1)
	}
	for _, test := range []struct {
		p    float64
		want int
	}{{0, 1}, {50, 500}, {90, 900}, {99, 990}, {99.9, 999}, {100, 1000}} {
		if got := percentile(values, test.p); got != test.want {
			t.Errorf("p%v: got %d, want %d", test.p, got, test.want)
		}
	}
	if got := percentile([]int{7}, 99); got != 7 {
		t.Errorf("of one: got %d", got)
	}
}
