package spool

import (
	"fmt"
	"log/slog"
)

// Policy says what Append does when the spool is full.
type Policy int

// The policies.
const (
	Block      Policy = iota // wait until blocks have been settled
	DropOldest               // drop the oldest blocks, and count their lines
)

// ParsePolicy reads "block" or "drop_oldest".
func ParsePolicy(s string) (Policy, error) {
	switch s {
	case "block":
		return Block, nil
	case "drop_oldest":
		return DropOldest, nil
	}
	return 0, fmt.Errorf("unknown policy %q: use block or drop_oldest", s)
}

// Options are the settings of a spool.
type Options struct {
	// MaxSize bounds the bytes of disk that the spool takes, all told but the quarantine; size.Unlimited, or 0, is no
	// limit. A single batch that is larger is taken when the spool is empty.
	MaxSize  int64
	WhenFull Policy
	// WhenDamaged says what Open does with a file that is damaged.
	WhenDamaged Remedy
	// Eager has small batches of a steady stream not wait for each other: one caller that appends batch after batch gets as
	// many transactions as the disk does.
	Eager  bool
	Logger *slog.Logger // nil discards
}
