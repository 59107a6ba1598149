package mediator

import (
	"crypto/sha256"
	"encoding/binary"
)

// choose returns the one of the Scribes that the log falls to, by rendezvous hashing: each Scribe's identity is hashed
// with the log's name, and the highest hash wins. Logs spread evenly, the order of ids does not matter, and when a
// Scribe is added or missing, only the logs that it wins are chosen differently. ids must not be empty.
func choose(ids []string, log string) string {
	var best string
	var most uint64
	var buf []byte
	for _, id := range ids {
		buf = binary.AppendUvarint(buf[:0], uint64(len(id)))
		buf = append(append(buf, id...), log...)
		sum := sha256.Sum256(buf)
		score := binary.BigEndian.Uint64(sum[:])
		if best == "" || score > most || score == most && id < best {
			best, most = id, score
		}
	}
	return best
}
