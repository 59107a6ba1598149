package spool

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/logname"
)

// buckets are all buckets of a spool, in their order.
var buckets = []string{string(bucketBlocks), string(bucketCheckpoints), string(bucketLosses), string(bucketMeta), string(bucketQueues)}

// isRoot says whether these are the names of a spool's buckets: earlier layouts have no list of losses.
func isRoot(names []string) bool {
	return slices.Equal(names, buckets) ||
		slices.Equal(names, slices.DeleteFunc(slices.Clone(buckets), func(b string) bool { return b == string(bucketLosses) }))
}

// raw returns the file for a look at all its pages.
func (s *survey) raw() *bolttree.File { return bolttree.Raw(s.r, s.size, s.pageSize()) }

// pageSize returns the size of the file's pages.
func (s *survey) pageSize() int {
	if s.tree != nil {
		return int(s.tree.Meta().PageSize)
	}
	return os.Getpagesize()
}

// chooseTree looks for the newest tree where the meta pages don't tell: the one whose logs have come furthest, and of
// several such the one with the least damage.
func (s *survey) chooseTree() {
	sizes := []int{s.pageSize()}
	if s.tree == nil {
		sizes = []int{os.Getpagesize(), largePage}
	}
	var best, least uint64
	for _, size := range sizes {
		raw := bolttree.Raw(s.r, s.size, size)
		raw.Leaves(func(root uint64, names []string) {
			if !isRoot(names) {
				return
			}
			tree := raw.At(root)
			progress, damages := s.progress(tree), uint64(len(tree.Check(maxProblems, nil)))
			if progress > best || progress == best && damages < least {
				best, least, s.tree = progress, damages, tree
			}
		}, func(string, bolttree.Element, bool) {})
	}
}

// progress adds up how far the logs of a tree have come: the lines that came, and those that have left.
func (s *survey) progress(tree *bolttree.File) (sum uint64) {
	tree.Walk(func(_ string, e bolttree.Element) {
		if value, err := e.Head(smallRecord); err == nil {
			if q, err := decodeQueue(e.Key, value, s.producer); err == nil {
				sum += q.next + q.oldest
			}
		}
	}, func(string, error) {}, string(bucketQueues))
	return sum
}

// smallRecord is more than any record but that of a block takes.
const smallRecord = 64 << 10

// salvageRecords looks in all pages for what the tree lacks: the producer, logs, checkpoints.
func (s *survey) salvageRecords() {
	checkpoints := map[string][]byte{}
	s.raw().Leaves(func(uint64, []string) {}, func(bucket string, e bolttree.Element, sound bool) {
		if e.Size > smallRecord || e.Key[0] == 0 { // the key of a block begins with a 0: there are not that many logs
			return
		}
		value, err := e.Value()
		if err != nil {
			return
		}
		switch key := string(e.Key); {
		case key == string(keyProducer) || bucket == string(bucketMeta):
			if _, ok := s.meta[key]; !ok && s.lacks(bucketMeta) && sound {
				s.meta[key] = value
			}
		case s.olderQueue(key, value):
		case s.olderLoss(e.Key, value):
		case sound: // checkpoints have no checksums
			// Which of several is the newest can't be told. Sources write numbers that grow, the highest byte first.
			if bytes.Compare(checkpoints[key], value) < 0 {
				checkpoints[key] = value
			}
		}
	})
	if !s.lacks(bucketCheckpoints) && !s.behind { // there are some that were removed since
		return
	}
	for key, value := range checkpoints {
		if known, ok := s.checkpoints[key]; !ok || s.behind && bytes.Compare(known, value) < 0 {
			s.checkpoints[key] = value
		}
	}
}

// lacks says whether the tree lacks a part of the bucket.
func (s *survey) lacks(bucket []byte) bool { return s.gaps[""] || s.gaps[string(bucket)] }

// olderQueue takes a log's record that was found outside of the tree, if there is none of the log that has come as far.
// It says whether it is such a record.
func (s *survey) olderQueue(log string, value []byte) bool {
	q, err := decodeQueue([]byte(log), value, s.producer)
	if err != nil || logname.Check(log) != nil {
		return false
	}
	known := s.logs[log]
	switch {
	case known == nil && (s.lacks(bucketQueues) || s.doubt):
		s.logs[log] = &surveyed{queue: q, stale: true, known: q.next}
	case known != nil && known.stale && cmp.Or(cmp.Compare(q.next, known.next), cmp.Compare(q.oldest, known.oldest)) > 0:
		s.behind = s.behind || s.doubt
		known.queue, known.known = q, q.next
	}
	return true
}

// olderLoss takes an entry of the list of losses that was found outside of the tree, if the tree may lack it. Of several
// the one counts that has counted most. It says whether it is such an entry.
func (s *survey) olderLoss(key, value []byte) bool {
	k, l, err := decodeLoss(key, value)
	if err != nil {
		return false
	}
	if (s.lacks(bucketLosses) || s.doubt) && s.losses[k].times < l.times {
		s.losses[k] = l
	}
	return true
}

// hole is a run of positions of a log of which there is no sound block.
type hole struct{ from, to uint64 }

// openings returns the holes of all logs. Those of a log whose record is an older one have no end.
func (s *survey) openings() openings {
	all := map[uint32][]hole{}
	for _, l := range s.logs {
		from := l.oldest
		all[l.id] = nil
		add := func(to uint64) {
			if from < to {
				all[l.id] = append(all[l.id], hole{from, to})
			}
		}
		for _, b := range l.blocks {
			add(b.first)
			from = b.next()
		}
		if l.stale {
			add(math.MaxUint64)
		} else {
			add(l.next)
		}
	}
	return openings{of: all, adopts: s.adopts()}
}

// empty says whether no block is looked for.
func (o *openings) empty() bool {
	for _, holes := range o.of {
		if len(holes) > 0 {
			return false
		}
	}
	return !o.adopts
}

// fits says whether lines from first on, up to but without next, lie in one of the holes.
func fits(holes []hole, first, next uint64) bool {
	for _, h := range holes {
		if h.from <= first && first < next && next <= h.to {
			return true
		}
	}
	return false
}

// salvageBlocks looks for the blocks that are missing: first in all leaves, also those that no tree leads to, then byte
// by byte in what is left.
func (s *survey) salvageBlocks() {
	open := s.openings()
	if open.empty() {
		return
	}
	var found candidates
	s.raw().Leaves(func(uint64, []string) {}, func(_ string, e bolttree.Element, _ bool) {
		if p, ok := placeOf(e); ok && fits(open.under(p.id), p.first, p.first+1) {
			if log, b, err := s.verified(p); err == nil && fits(open.under(p.id), b.first, b.next()) {
				found = append(found, candidate{log, p.id, b})
			}
		}
	})
	s.fill(found.apart(s.logs))
	if open = s.openings(); !open.empty() {
		s.fill(s.carve(open).apart(s.logs))
	}
}

// candidate is a sound block that may belong to the log, and was found under a key with that number.
type candidate struct {
	log string
	id  uint32
	stored
}

type candidates []candidate

// fill enters the candidates into the holes. Of two for the same place the one that was stored later counts: the other
// is of a transaction that did not come to its end.
func (s *survey) fill(found candidates) {
	slices.SortStableFunc(found, func(a, b candidate) int { return b.stored.stored.Compare(a.stored.stored) })
	for _, c := range found {
		s.adopt(c.log, c.id)
		l := s.logs[c.log]
		at, _ := slices.BinarySearchFunc(l.blocks, c.first, func(b stored, first uint64) int { return cmp.Compare(b.first, first) })
		if at > 0 && l.blocks[at-1].next() > c.first || at < len(l.blocks) && l.blocks[at].first < c.next() {
			continue
		}
		l.blocks = slices.Insert(l.blocks, at, c.stored)
		l.damaged = slices.DeleteFunc(l.damaged, func(d stored) bool { return d.first == c.first })
	}
}

// carve looks for blocks whose pages can't be read: for their keys, which records follow on, in all bytes that no sound
// block accounts for.
func (s *survey) carve(open openings) (found candidates) {
	const window = 8 << 20
	buf := make([]byte, window+keySize+maxRecord)
	for _, gap := range s.unaccounted() {
		for at := gap.from; at < gap.to; at += window {
			n, _ := s.r.ReadAt(buf[:min(uint64(len(buf)), gap.to-at)], int64(at)) // what can't be read is lost
			end := int(min(window, gap.to-at))
			for i := 0; i < end && i+keySize+recordHeader <= n; i++ {
				id := binary.BigEndian.Uint32(buf[i:])
				if version := buf[i+keySize]; version == 0 || version > recordVersionCheckpoint {
					continue
				}
				holes := open.under(id)
				if len(holes) == 0 {
					continue
				}
				if c, ok := s.carveAt(buf[i:n], id, holes); ok {
					c.at = int64(at) + int64(i) + keySize
					found = append(found, c)
				}
			}
		}
	}
	return found
}

// carveAt looks for a block whose key stands at the beginning of b. A record without a label ends where its checksum fits.
func (s *survey) carveAt(b []byte, id uint32, holes []hole) (candidate, bool) {
	first, _ := keyPosition(b[:keySize], id)
	if !fits(holes, first, first+1) {
		return candidate{}, false
	}
	record := b[keySize:min(len(b), keySize+maxRecord)]
	if own, ok := decodeLabel(record); ok {
		if own.size > len(record) {
			return candidate{}, false
		}
		log, c, err := s.identified(place{id: id, first: first, size: int64(own.size)}, record[:own.size])
		return candidate{log, id, c}, err == nil && fits(holes, first, c.next())
	}
	log, known := s.names[id]
	d, err := decodeRecord(record)
	if err != nil || !known || len(s.logs[log].spans) == 0 || !fits(holes, first, first+uint64(d.Count)) || d.RawSize > block.MaxRawSize {
		return candidate{}, false
	}
	s.logs[log].seat(&d, log, first)
	longest := len(d.Payload)
	if !d.FindEnd() {
		return candidate{}, false
	}
	size := len(record) - (longest - len(d.Payload))
	_, c, err := s.identified(place{id: id, first: first, size: int64(size)}, record[:size])
	return candidate{log, id, c}, err == nil
}

// unaccounted returns the parts of the file that hold no sound block.
func (s *survey) unaccounted() (gaps []hole) {
	var used []hole
	for l := range maps.Values(s.logs) {
		for _, b := range l.blocks {
			used = append(used, hole{uint64(b.at), uint64(b.at + b.size)})
		}
	}
	slices.SortFunc(used, func(a, b hole) int { return cmp.Compare(a.from, b.from) })
	from := uint64(0)
	for _, u := range append(used, hole{uint64(s.size), uint64(s.size)}) {
		if from+keySize+recordHeader <= u.from {
			gaps = append(gaps, hole{from, u.from})
		}
		from = max(from, u.to)
	}
	return gaps
}
