package main

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/logscribe/logscribe/agent"
)

// TestProgressBeginsWithoutARate: what was read before the first look was not read in no time.
func TestProgressBeginsWithoutARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read, done := int64(0), make(chan struct{})
		var shown []string
		watchProgress(func() agent.Progress {
			read += 1000
			return agent.Progress{Read: read}
		}, func(text string) {
			if shown = append(shown, text); len(shown) == 2 {
				close(done)
			}
		}, done)
		want := []string{
			"read 1000 lines  delivered 0  waiting 0  0 lines/s",
			"read 2000 lines  delivered 0  waiting 0  2000 lines/s",
		}
		if !slices.Equal(shown, want) {
			t.Errorf("%q", shown)
		}
	})
}
