package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// Policy says how the files of a log are kept. The zero value lets one file grow for ever.
type Policy struct {
	// Form is how lines stand in the files. A log whose active file has another one begins a new file with its next line.
	Form Form
	// MaxSize bounds each file in bytes, as they stand on the disk; no limit if it is not above zero. A single line, or
	// frame, may be larger: it is never parted.
	MaxSize int64
	// RotateEvery is the length of the periods of the wall clock, of which each has files of its own; see CheckPeriod.
	// No rotation by time if it is not above zero.
	RotateEvery time.Duration

	// KeepAge, KeepFiles and KeepBytes bound the rotated files of a log: their age since their rotation, their number,
	// and the bytes that they take together. Beyond one of them the oldest is deleted. No limit if not above zero.
	KeepAge   time.Duration
	KeepFiles int
	KeepBytes int64

	// Compression is how rotated plain files are compressed once CompressAfter has passed since their rotation.
	Compression   Compression
	CompressAfter time.Duration
}

// form returns the policy's form by its name.
func (p Policy) form() Form {
	if p.Form == Frames {
		return Frames
	}
	return Plain
}

// keeps says whether the policy bounds the rotated files.
func (p Policy) keeps() bool { return p.KeepAge > 0 || p.KeepFiles > 0 || p.KeepBytes > 0 }

// Rule is the policy of the logs that match a pattern.
type Rule struct {
	Match  string // a glob of names of logs: * is any part of an element, ** any elements, as in web/**
	Policy Policy
}

// CheckMatch returns an error that quotes the pattern if it can't be one of a Rule, or can match no log.
func CheckMatch(pattern string) error {
	if !doublestar.ValidatePattern(pattern) {
		return fmt.Errorf("bad pattern %q: write a glob of names of logs, such as web/* or **/access", pattern)
	}
	for _, element := range strings.Split(pattern, "/") {
		if element == "" || element == "." || element == ".." {
			return fmt.Errorf("bad pattern %q: no log has such a name; names are relative to the Scribe's root, as web/access", pattern)
		}
	}
	return nil
}

// policy returns the policy of the log: that of the first rule that matches, or the general one.
func (s *Store) policy(log string) *Policy {
	for i := range s.rules {
		if doublestar.MatchUnvalidated(s.rules[i].Match, log) {
			return &s.rules[i].Policy
		}
	}
	return &s.general
}

// anyPolicy says whether at least one policy has the property.
func (s *Store) anyPolicy(has func(*Policy) bool) bool {
	if has(&s.general) {
		return true
	}
	for i := range s.rules {
		if has(&s.rules[i].Policy) {
			return true
		}
	}
	return false
}
