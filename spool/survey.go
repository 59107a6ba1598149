package spool

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/logname"
)

const (
	// maxRecord is the largest block record in bytes; a larger one is damaged.
	maxRecord = recordHeader + labelHeader + logname.MaxName + checkpointHeader + block.MaxCheckpointSize + block.MaxPayloadSize
	// maxProblems bounds how many problems of one file are listed.
	maxProblems = 100
)

// survey is what can be read of a spool's file, sound or not, without bbolt.
//
// Where pages of the tree are damaged, what they held is looked for in all others. bbolt never writes to a page in use:
// a transaction writes new ones beside the old ones, so that most of what was there for a while stands there more than
// once. What is found that way counts only if it fits: a block's checksum covers its log, its producer and its place,
// and it must fit into a hole that the tree has left.
type survey struct {
	r        io.ReaderAt
	size     int64
	tree     *bolttree.File // nil if there is none
	problems []error        // what is wrong with the file's pages and with records other than blocks

	version     int
	producer    block.Producer
	meta        map[string][]byte
	checkpoints map[string][]byte
	losses      losses
	logs        map[string]*surveyed
	names       map[uint32]string // by the log's number
	read        bool              // the blocks have been read
	later       error             // says what a later release wrote
	doubt       bool              // the tree may not be the newest
	behind      bool              // it is not
	gaps        map[string]bool   // buckets of which a page or record is missing, "" for the root
}

// surveyed is what was found of one log.
type surveyed struct {
	queue
	stale   bool     // its record may be an older one, from a page that is not in use, or is lost
	known   uint64   // positions before this one are in the spans of its record; the others' blocks must tell of theirs
	blocks  []stored // sound, in order, without overlap
	damaged []stored // whose checksum does not fit
	head    time.Time
}

// stored is where a block record stands, and what it says.
type stored struct {
	first  uint64
	count  uint32
	at     int64
	size   int64
	stored time.Time
	id     identity // of a block that the log's record does not know
	err    error
}

func (b *stored) next() uint64 { return b.first + uint64(b.count) }

// lost returns the number of a log's lines that should be there and are not, once the blocks have been read.
func (s *survey) lost(l *surveyed) uint64 {
	if !s.read {
		return 0
	}
	lost := l.next - l.oldest
	for _, b := range l.blocks {
		lost -= uint64(b.count)
	}
	return lost
}

// sound says whether nothing is wrong with the file. Lines may be lost all the same, in an earlier repair.
func (s *survey) sound() bool {
	for _, l := range s.logs {
		if len(l.damaged) > 0 {
			return false
		}
	}
	return len(s.problems) == 0
}

func (s *survey) problem(err error) {
	if len(s.problems) < maxProblems {
		s.problems = append(s.problems, err)
	}
}

// surveyFile reads all of the file, and if salvage is set looks in all of it for what is damaged. The error wraps
// ErrVersion where a later release wrote it, ErrForeign where another program did, and ErrDamaged where nothing can be
// read of it.
func surveyFile(file *os.File, salvage bool) (*survey, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	s, err := surveyRecords(file, info.Size(), true)
	if err != nil || len(s.problems) > 0 {
		err = cmp.Or(checkForeign(file), err)
	}
	if err != nil {
		return nil, err
	}
	for _, b := range s.inTree() {
		s.take(b)
	}
	s.read = true
	if !s.sound() && (salvage || s.nothing()) {
		s.salvageBlocks()
	}
	for log := range s.logs {
		s.settleQueue(s.logs[log])
	}
	if s.nothing() {
		return nil, fmt.Errorf("%w, and nothing of it can be read: %w", ErrDamaged, s.problems[0])
	}
	return s, nil
}

// surveyRecords reads all but the blocks. Unless check is set it looks at no more pages than it must, and does not look
// elsewhere for what is missing.
func surveyRecords(r io.ReaderAt, size int64, check bool) (*survey, error) {
	s := &survey{
		r: r, size: size, meta: map[string][]byte{}, checkpoints: map[string][]byte{},
		losses: losses{}, logs: map[string]*surveyed{}, names: map[uint32]string{}, gaps: map[string]bool{},
	}
	tree, err := bolttree.Open(r, size)
	switch {
	case err == nil && check:
		s.tree = tree
		s.problems = tree.Check(maxProblems, nil)
	case err == nil:
		s.tree = tree
	case errors.Is(err, bolttree.ErrNoMeta):
		s.problem(err)
	default:
		return nil, err
	}
	if s.doubt = s.tree == nil || s.tree.MetaProblem() != nil; s.doubt && check {
		s.chooseTree()
	}
	if s.tree == nil {
		s.gaps[""] = true
	} else {
		s.tree.Walk(s.record, s.gap, string(bucketMeta), string(bucketQueues), string(bucketCheckpoints))
		if version := s.meta[string(keyVersion)]; len(version) != 1 || version[0] >= lossesLayout {
			s.tree.Walk(s.record, s.gap, string(bucketLosses))
		}
	}
	if check && (s.doubt || len(s.gaps) > 0) {
		s.salvageRecords()
	}
	if s.later != nil {
		return nil, s.later
	}
	s.identify()
	s.number()
	return s, nil
}

// nothing says whether nothing was found in a damaged file.
func (s *survey) nothing() bool {
	return len(s.problems) > 0 && len(s.logs) == 0 && len(s.checkpoints) == 0
}

// gap notes that a part of a bucket can't be read. Of damaged pages Check has told.
func (s *survey) gap(bucket string, err error) {
	s.gaps[bucket] = true
	if errors.Is(err, bolttree.ErrNoBucket) {
		s.problem(fmt.Errorf("bucket %q: %w", bucket, err))
	}
}

// record takes an element of a bucket other than blocks.
func (s *survey) record(bucket string, e bolttree.Element) {
	if e.Size > maxRecord {
		s.problem(fmt.Errorf("%s: the value of %q has %d bytes", bucket, e.Key, e.Size))
		return
	}
	value, err := e.Value()
	if err != nil {
		s.problem(err)
		return
	}
	switch bucket {
	case string(bucketMeta):
		s.meta[string(e.Key)] = value
		if string(e.Key) == string(keyProducer) && len(value) == len(s.producer) {
			s.producer = block.Producer(value)
		}
	case string(bucketCheckpoints):
		s.checkpoints[string(e.Key)] = value
	case string(bucketQueues):
		s.queueRecord(e.Key, value)
	case string(bucketLosses):
		s.lossRecord(e.Key, value)
	}
}

// lossRecord takes an entry of the list of losses. One that is damaged is looked for in other pages.
func (s *survey) lossRecord(key, value []byte) {
	k, l, err := decodeLoss(key, value)
	switch {
	case errors.Is(err, ErrVersion):
		s.later = err
	case err != nil:
		s.problem(err)
		s.gaps[string(bucketLosses)] = true
	default:
		s.losses[k] = l
	}
}

// queueRecord takes a log's record, and refuses one that can't be right.
func (s *survey) queueRecord(log, value []byte) {
	err := logname.Check(string(log))
	var q queue
	if err == nil {
		q, err = decodeQueue(log, value, s.producer)
	}
	if errors.Is(err, ErrVersion) {
		s.later = err // its checksum fits
		return
	}
	if err != nil {
		s.problem(err)
		s.gaps[string(bucketQueues)] = true
		return
	}
	s.logs[string(log)] = &surveyed{queue: q, stale: s.doubt, known: q.next}
}

// identify reads the layout's version and the producer. The lines that are there have the producers in their logs'
// records, so a new one does no harm, except to records of version 1.
func (s *survey) identify() {
	if version := s.meta[string(keyVersion)]; len(version) == 1 && version[0] > 0 && version[0] <= layoutVersion {
		s.version = int(version[0])
	} else {
		s.problem(fmt.Errorf("the layout's version is %x; there are versions up to %d", version, layoutVersion))
	}
	var err error
	if s.producer, err = uuid.FromBytes(s.meta[string(keyProducer)]); err != nil {
		s.problem(errors.New("the producer of new lines is missing"))
		s.producer = uuid.New()
	}
}

// number finds the logs by their numbers. Two logs of one number can't be told apart.
func (s *survey) number() {
	for _, log := range slices.Sorted(maps.Keys(s.logs)) {
		id := s.logs[log].id
		if other, ok := s.names[id]; ok || id == 0 {
			s.problem(fmt.Errorf("log %q has the number %d, as has %q", log, id, other))
			if !ok || s.logs[log].stale {
				delete(s.logs, log)
				continue
			}
			delete(s.logs, other)
		}
		s.names[id] = log
	}
}

// place is where a block may stand: its key, and the offset of its record.
type place struct {
	id    uint32
	first uint64
	at    int64
	size  int64
}

func placeOf(e bolttree.Element) (place, bool) {
	if len(e.Key) != keySize {
		return place{}, false
	}
	return place{id: binary.BigEndian.Uint32(e.Key), first: binary.BigEndian.Uint64(e.Key[4:]), at: e.At, size: e.Size}, true
}

// inTree returns the places of all blocks that the tree leads to.
func (s *survey) inTree() (places []place) {
	if s.tree == nil {
		return nil
	}
	s.tree.Walk(func(_ string, e bolttree.Element) {
		if e.Owner != nil && !bytes.Equal(e.Key, e.Owner) {
			s.problem(fmt.Errorf("a block under the key %x, in which it has the key %x", e.Owner, e.Key))
			return
		}
		p, ok := placeOf(e)
		if _, known := s.names[p.id]; !ok || !known && !s.adopts() {
			s.problem(fmt.Errorf("a block of no log, under the key %x", e.Key))
			return
		}
		places = append(places, p)
	}, s.gap, string(bucketBlocks))
	return places
}

// take reads the block at a place and enters it among the sound or the damaged ones of its log. One that its log's
// record does not count is left out: it was settled, or is none.
func (s *survey) take(p place) {
	log, b, err := s.verified(p)
	if err == nil {
		s.adopt(log, p.id)
	}
	l := s.logs[log]
	switch {
	case l == nil:
		s.problem(fmt.Errorf("a block of log number %d, which is not known: %w", p.id, err))
	case err != nil:
		l.damaged = append(l.damaged, stored{first: p.first, at: p.at, size: p.size, err: err})
	case p.first < l.oldest || b.next() > l.next && !l.stale:
		s.problem(fmt.Errorf("log %q: a block of the lines %d to %d, but its record counts %d to %d",
			log, b.first, b.next()-1, l.oldest, l.next-1))
	case len(l.blocks) > 0 && b.first < l.blocks[len(l.blocks)-1].next():
		s.problem(fmt.Errorf("log %q: two blocks with line %d", log, b.first))
	default:
		l.blocks = append(l.blocks, b)
	}
}

// verified reads the block at a place and says of which log it is, and whether it is sound.
func (s *survey) verified(p place) (log string, b stored, err error) {
	record, err := s.recordAt(p)
	if err != nil {
		return s.names[p.id], stored{}, err
	}
	return s.identified(p, record)
}

// recordAt reads the record at a place.
func (s *survey) recordAt(p place) ([]byte, error) {
	if p.size > maxRecord {
		return nil, fmt.Errorf("%w: a block record of %d bytes", ErrDamaged, p.size)
	}
	record := make([]byte, p.size)
	_, err := s.r.ReadAt(record, p.at)
	return record, err
}

// settleQueue brings a log's record into line with its blocks: where it is an older one, more may have come, and what
// stood before the first of them has most likely left.
func (s *survey) settleQueue(l *surveyed) {
	l.bytes = 0
	if l.stale {
		l.respan()
	}
	for _, b := range l.blocks {
		l.bytes += uint64(b.size)
	}
	if !l.stale {
		return
	}
	if n := len(l.blocks); n > 0 {
		l.next = max(l.next, l.blocks[n-1].next())
		l.oldest = l.blocks[0].first
	} else {
		l.oldest = l.next
	}
}
