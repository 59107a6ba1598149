package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/latency"
)

// The errors that Open and Append wrap.
var (
	ErrDiskFull = errors.New("the disk has no room for it")
	ErrLocked   = boltfile.ErrLocked
	ErrVersion  = errors.New("the spool was written by another release")
	ErrDamaged  = boltfile.ErrDamaged
	ErrClosed   = errors.New("the spool is closed")
)

const (
	layoutVersion = 4
	lossesLayout  = 4 // the first one with a list of losses
)

var (
	bucketMeta        = []byte("meta")
	bucketQueues      = []byte("queues")
	bucketBlocks      = []byte("blocks")
	bucketCheckpoints = []byte("checkpoints")
	bucketLosses      = []byte("losses") // since layout 4

	keyVersion  = []byte("version")
	keyProducer = []byte("producer")
	keyOrigin   = []byte("origin")
	keySpare    = []byte("spare")
	keySince    = []byte("since")
)

// Spool is a durable queue. All methods are safe for concurrent use.
type Spool struct {
	path    string
	maxSize int64 // of the file, in bytes; unlimited is no limit; the writer's
	logger  *slog.Logger

	swap sync.RWMutex // guards file and path: readers hold it for reading, see view
	file *boltfile.Sized
	read atomic.Int64 // bytes of the file that came into memory since it was told to let go of them

	requests chan *request
	limits   chan limits   // from SetLimits
	settles  chan struct{} // capacity 1: there is something for the next transaction to do
	appended chan struct{} // capacity 1: added is not empty
	closing  chan struct{} // closed by Close
	stopped  chan struct{} // closed when the writer is done
	closed   sync.Once
	failed   chan struct{} // closed when the file turned out to be damaged
	failure  error         // why; set before failed is closed
	failing  sync.Once

	commits latency.Histogram
	beat    beat
	ages    ages

	mu       sync.Mutex // guards what follows
	whenFull Policy     // only the writer writes it, and reads it without the mutex
	current  current
	queues   map[string]queue
	settled  map[string]uint64 // by log, what Settle was told and the file does not know yet
	orders   orders
	flights  map[string]flight   // by log, what was read and may be on its way
	arrived  map[string]arrival  // by log, lines counted as dropped that have arrived, which the file does not know yet
	told     map[string]uint64   // by log, how many dropped lines were said, which the file does not know yet
	bytes    int64               // of all block records
	added    map[string]struct{} // logs with new blocks since TakeAppended
	emptied  chan struct{}       // closed when the last unsettled line is settled; nil while nobody waits
	stats    Stats               // but for what is counted elsewhere

	losses    losses
	lossFiles lossFiles
	lossSums  map[Reason]loss // of lines, bytes and times
	since     time.Time       // when the list was begun
}

// Path returns where the spool's file is: the path that Open was given, unless another agent's spool stands there since.
func (s *Spool) Path() string {
	s.swap.RLock()
	defer s.swap.RUnlock()
	return s.path
}

// Producer returns the producer of the lines that are stored now. It changes where the spool finds out that others write
// on under the same one.
func (s *Spool) Producer() block.Producer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.producer
}

// Appended signals the one shipper that TakeAppended has something to tell.
func (s *Spool) Appended() <-chan struct{} { return s.appended }

// TakeAppended returns the logs that since the last call got blocks, or are no longer held, and at the first one those
// that blocks wait of since before Open.
func (s *Spool) TakeAppended() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	logs := slices.Collect(maps.Keys(s.added))
	clear(s.added)
	return logs
}

// signal wakes the shipper.
func (s *Spool) signal() {
	select {
	case s.appended <- struct{}{}:
	default:
	}
}

// Close stores what is settled and closes the file. Calls of Append that wait return ErrClosed.
func (s *Spool) Close() error {
	s.closed.Do(func() { close(s.closing) })
	<-s.stopped
	return s.file.Close()
}

// view reads the file. The file stays the same one meanwhile, so fn must be quick.
func (s *Spool) view(fn func(*bolt.Tx) error) error {
	s.swap.RLock()
	defer s.swap.RUnlock()
	defer s.noteFailure()
	return s.file.View(fn)
}

// Failed is closed when a page of the file turned out to be damaged while it was open, or another program has written
// over the file. Nothing more can be read or written then; what is to be done is up to the next Open. Err tells what is
// wrong. Calls that were under way may hang: bbolt keeps its locks where it trips.
func (s *Spool) Failed() <-chan struct{} { return s.failed }

// Err returns an error that wraps ErrDamaged once Failed is closed, and nil before.
func (s *Spool) Err() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

// noteFailure closes Failed if a transaction has found the file damaged. The caller is the writer, or reads the file.
func (s *Spool) noteFailure() {
	if err := s.file.Broken(); err != nil {
		s.failing.Do(func() {
			s.failure = remedied(s.path, fmt.Errorf("spool %s: %w", s.path, err))
			close(s.failed)
		})
	}
}

// maxMapped is about how many bytes of the file may stand in the process's memory.
const maxMapped = 8 << 20

// touched notes that n bytes of the file came into memory, by reading or writing, and lets go of them now and then: the
// memory that a backlog takes must not grow with it.
func (s *Spool) touched(n int64) {
	if s.read.Add(n) < maxMapped {
		return
	}
	s.read.Store(0)
	s.swap.RLock()
	defer s.swap.RUnlock()
	if err := s.file.Forget(); err != nil {
		s.logger.Debug("can't let go of the spool's memory", "error", err)
	}
}
