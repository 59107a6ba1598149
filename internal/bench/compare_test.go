package main

import (
	"strings"
	"testing"
)

func TestCountDifference(t *testing.T) {
	for _, test := range []struct {
		name, want, got string
		d               difference
		words           string
	}{
		{"the same", "a\nb\nc\n", "a\nb\nc\n", difference{}, "none"},
		{"one missing", "a\nb\nc\n", "a\nc\n", difference{Missing: 1}, "1 missing"},
		{"one repeated", "a\nb\nc\n", "a\nb\na\nc\n", difference{Repeated: 1}, "1 repeated"},
		{"one late", "a\nb\nc\nd\n", "a\nc\nd\nb\n", difference{OutOfOrder: 1}, "1 out of order"},
		{"one early", "a\nb\nc\nd\n", "d\na\nb\nc\n", difference{OutOfOrder: 3}, "3 out of order"},
		{"one changed", "a\nb\nc\n", "a\nB\nc\n", difference{Missing: 1, Foreign: 1}, "1 missing, 1 foreign"},
		{"cut", "a\nbb\n", "a\nb", difference{Missing: 1, Foreign: 1}, "1 missing, 1 foreign"},
		{"the same lines often", "a\nb\na\nb\n", "a\nb\na\nb\n", difference{}, "none"},
		{"one of the same missing at the end", "a\nb\na\nb\n", "a\nb\na\n", difference{Missing: 1}, "1 missing"},
		{"nothing", "a\nb\n", "", difference{Missing: 2}, "2 missing"},
		{"long, changed at its beginning", "y" + strings.Repeat("x", 3<<20) + "\n", "z" + strings.Repeat("x", 3<<20) + "\n",
			difference{Missing: 1, Foreign: 1}, "1 missing, 1 foreign"},
		{"long", strings.Repeat("x", 3<<20) + "\na\n", strings.Repeat("x", 3<<20) + "\na\n", difference{}, "none"},
	} {
		d, err := countDifference(strings.NewReader(test.want), strings.NewReader(test.got))
		if err != nil || d != test.d || d.String() != test.words {
			t.Errorf("%s: got %+v (%v), %v; want %+v (%s)", test.name, d, d, err, test.d, test.words)
		}
	}
}

func TestSameBytes(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		want, got string
		same      bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "", false}, {"", "a", false},
		{long, long, true}, {long, long + "x", false}, {long + "x", long, false}, {long + "x", long + "y", false},
	} {
		same, err := sameBytes(strings.NewReader(test.want), strings.NewReader(test.got))
		if err != nil || same != test.same {
			t.Errorf("%d and %d bytes: %v, %v, want %v", len(test.want), len(test.got), same, err, test.same)
		}
	}
}
