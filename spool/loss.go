package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// The list of losses says of what was not delivered how much it was, why, and of which file, for good: it lives as long as
// the spool. An entry changes in the transaction that lets the lines go: with the blocks that leave the queue, or with the
// checkpoint that passes over the bytes of a file. So a crash neither loses a loss nor counts it twice.
//
// A loss record is the value of one entry; the key is reason, log and file, with a NUL after each of the first two:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       8      lines
//	9       8      bytes
//	17      8      how often it happened
//	25      8      when it was counted first, nanoseconds since 1970 UTC; 0 if that is not known
//	33      8      when it was counted last
//	41      4      CRC-32C of the key and of all before
const (
	lossVersion = 1
	lossSize    = 41
)

// maxLossFiles bounds the entries that name a file, of losses and of others apart. What further files lose is added up, by log and reason, under
// OtherFiles.
const maxLossFiles = 1000

// OtherFiles stands for all files for which the list of losses had no room.
const OtherFiles = "*"

// Reason is why lines were not delivered as they were written.
type Reason string

// The reasons.
const (
	SpoolFull  Reason = "spool_full" // the policy was to drop the oldest
	Damaged    Reason = "damaged"    // in the spool
	Refused    Reason = "refused"    // by all Scribes, for good
	SpoolLost  Reason = "spool_lost" // the whole file was set aside, or emptied by others; how much was in it is not known
	Truncated  Reason = "truncated"  // before it was read
	Deleted    Reason = "deleted"    // before it was read
	Stopped    Reason = "stopped"    // the agent, before it could store them, and they were nowhere else
	Compressed Reason = "compressed" // and damaged, from some place on; how much was behind that is not known

	InPieces Reason = "in_pieces" // delivered, as several lines, for it was longer than max_line
	Clipped  Reason = "clipped"   // delivered, but for the end of what rules made longer than a block
	Unseen   Reason = "unseen"    // a file was truncated while nobody looked: whether there were lines, nobody knows
)

// Reasons are all reasons of this release.
var Reasons = []Reason{SpoolFull, Damaged, Refused, SpoolLost, Truncated, Deleted, Stopped, Compressed, InPieces, Clipped, Unseen}

// Lost says whether lines are known not to have arrived. Of the others it is known that they have, but not as they were, or
// it is not known whether there were any.
func (r Reason) Lost() bool { return r != InPieces && r != Clipped && r != Unseen }

// Loss is an entry of the list of losses, or what a batch adds to one.
type Loss struct {
	Log    string    `json:"log"`            // "" for the spool as a whole
	File   string    `json:"file,omitempty"` // its path; "" if that is not known any more, OtherFiles
	Reason Reason    `json:"reason"`
	Lines  uint64    `json:"lines"` // as far as they could be counted
	Bytes  uint64    `json:"bytes"` // of lines, uncompressed, as far as they could be counted
	Times  uint64    `json:"times"` // how often it happened; a batch counts once
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last"`
}

// Sums adds up the list by reasons.
func Sums(list []Loss) map[Reason]Loss {
	sums := map[Reason]Loss{}
	for _, l := range list {
		sum := sums[l.Reason]
		sums[l.Reason] = Loss{Reason: l.Reason, Lines: sum.Lines + l.Lines, Bytes: sum.Bytes + l.Bytes, Times: sum.Times + l.Times}
	}
	return sums
}

// lossKey says of which entry something is.
type lossKey struct {
	log    string
	reason Reason
	file   string
}

func (k lossKey) encode() []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s", k.reason, k.log, k.file)
}

// loss is what an entry says.
type loss struct {
	lines, bytes, times uint64
	first, last         time.Time
}

func (l loss) encode(key []byte) []byte {
	buf := make([]byte, 0, lossSize+sealSize)
	buf = append(buf, lossVersion)
	for _, n := range []uint64{l.lines, l.bytes, l.times, nanoseconds(l.first), nanoseconds(l.last)} {
		buf = binary.BigEndian.AppendUint64(buf, n)
	}
	return seal(key, buf)
}

func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func timeOf(nanoseconds uint64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(nanoseconds)).UTC()
}

// decodeLoss reads an entry.
func decodeLoss(key, record []byte) (k lossKey, l loss, err error) {
	value, sealed := unseal(key, record)
	parts := bytes.SplitN(key, []byte{0}, 3)
	switch {
	case !sealed || len(parts) != 3 || len(value) == 0:
		return k, l, fmt.Errorf("%w: the checksum of the loss record %q does not fit", ErrDamaged, key)
	case value[0] != lossVersion:
		return k, l, fmt.Errorf("%w: loss record %q has version %d, this release reads %d", ErrVersion, key, value[0], lossVersion)
	case len(value) != lossSize:
		return k, l, fmt.Errorf("%w: loss record %q has %d bytes", ErrDamaged, key, len(value))
	}
	number := func(at int) uint64 { return binary.BigEndian.Uint64(value[at:]) }
	k = lossKey{reason: Reason(parts[0]), log: string(parts[1]), file: string(parts[2])}
	return k, loss{lines: number(1), bytes: number(9), times: number(17), first: timeOf(number(25)), last: timeOf(number(33))}, nil
}
