package scribe

import (
	"math"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestEpochsNeverOverflow: the epoch after the last one that a client may claim can still be given.
func TestEpochsNeverOverflow(t *testing.T) {
	s := &Scribe{id: "s1"}
	if _, err := s.epoch(t.Context(), "a", "s1", math.MaxUint64); status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	if got, err := s.epoch(t.Context(), "a", "s1", 7); got != 7 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}
