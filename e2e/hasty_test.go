package e2e

import (
	"testing"
	"time"
)

// TestHastyRotation is chaos of one kind: files are rotated several times a second to numbered names, which no glob or some
// glob covers, and most of them compressed at once, while their agent is killed as often. So it is killed between any two
// steps of finding out what became of a file, and inodes are given out again.
func TestHastyRotation(t *testing.T) {
	t.Parallel()
	seed := newSeed()
	t.Logf("-chaos.seed=%d", seed)
	result := round(t, shape{
		seed: seed, duration: 5 * time.Second, kills: 10, scribes: 1, direct: true, agents: 1, logs: 2, maxPause: 20 * time.Millisecond, hasty: true,
	})
	if kind := result.rotations.packed < 20 || result.rotations.unread == 0; kind && *long { // a machine may be slow
		t.Error("this round was too kind: few files were compressed before they were read")
	}
}
