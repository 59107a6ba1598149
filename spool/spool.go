package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/size"
)

// The errors that Open and Append wrap.
var (
	ErrLocked  = errors.New("another agent holds the spool")
	ErrVersion = errors.New("the spool was written by another release")
	ErrDamaged = boltfile.ErrDamaged
	ErrClosed  = errors.New("the spool is closed")
)

const layoutVersion = 1

var (
	bucketMeta        = []byte("meta")
	bucketQueues      = []byte("queues")
	bucketBlocks      = []byte("blocks")
	bucketCheckpoints = []byte("checkpoints")

	keyVersion  = []byte("version")
	keyProducer = []byte("producer")
	keyOrigin   = []byte("origin")
	keySpare    = []byte("spare")
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
	// MaxSize bounds the bytes of all block records; size.Unlimited, or 0, is no limit. A single batch that is larger
	// is taken when the spool is empty.
	MaxSize  int64
	WhenFull Policy
	Logger   *slog.Logger // nil discards
}

// Spool is a durable queue. All methods are safe for concurrent use.
type Spool struct {
	path     string
	maxSize  int64
	whenFull Policy
	logger   *slog.Logger
	db       *bolt.DB

	requests chan *request
	settles  chan struct{} // capacity 1: there is something for the next transaction to do
	appended chan struct{} // capacity 1: added is not empty
	closing  chan struct{} // closed by Close
	stopped  chan struct{} // closed when the writer is done
	closed   sync.Once

	complained time.Time // by the writer, the last time

	mu      sync.Mutex // guards what follows
	current current
	queues  map[string]queue
	settled map[string]uint64 // by log, what Settle was told and the file does not know yet
	orders  orders
	bytes   int64               // of all block records
	added   map[string]struct{} // logs with new blocks since TakeAppended
	emptied chan struct{}       // closed when the last unsettled line is settled; nil while nobody waits
}

// Open opens the spool at path, or makes it and its folder. The error wraps ErrLocked when another process has it open,
// ErrVersion when a later release wrote it, ErrDamaged when it can't be read.
func Open(path string, o Options) (*Spool, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxSize <= 0 {
		o.MaxSize = size.Unlimited
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the spool's folder: %w", err)
	}
	db, err := openDB(path)
	if err != nil {
		return nil, err
	}
	s := &Spool{
		path: path, maxSize: o.MaxSize, whenFull: o.WhenFull, logger: o.Logger, db: db,
		requests: make(chan *request),
		settles:  make(chan struct{}, 1),
		appended: make(chan struct{}, 1),
		closing:  make(chan struct{}),
		stopped:  make(chan struct{}),
		queues:   map[string]queue{},
		settled:  map[string]uint64{},
		orders:   newOrders(),
		added:    map[string]struct{}{},
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool %s: %w", path, err), db.Close())
	}
	s.signal()
	go s.write()
	return s, nil
}

func openDB(path string) (*bolt.DB, error) {
	db, err := boltfile.Open(path)
	switch {
	case errors.Is(err, boltfile.ErrLocked):
		return nil, fmt.Errorf("open spool %s: %w; stop it, or give this one another spool", path, ErrLocked)
	case errors.Is(err, boltfile.ErrDamaged):
		return nil, fmt.Errorf("open spool %s: %w; move the file away to start with an empty spool", path, err)
	case err != nil:
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return db, nil
}

// load reads the state of all queues, and makes the buckets and the producer of a new spool.
func (s *Spool) load() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketQueues, bucketBlocks, bucketCheckpoints} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if err := s.loadMeta(tx.Bucket(bucketMeta)); err != nil {
			return err
		}
		if err := s.loadQueues(tx.Bucket(bucketQueues)); err != nil {
			return err
		}
		return s.settleIdentity(tx.Bucket(bucketMeta), tx.Bucket(bucketQueues))
	})
}

func (s *Spool) loadMeta(meta *bolt.Bucket) error {
	version, producer := meta.Get(keyVersion), meta.Get(keyProducer)
	if version == nil && producer == nil {
		s.current = current{producer: uuid.New(), fresh: true}
		if err := meta.Put(keyVersion, []byte{layoutVersion}); err != nil {
			return err
		}
		return meta.Put(keyProducer, s.current.producer[:])
	}
	if len(version) != 1 || version[0] != layoutVersion {
		return fmt.Errorf("%w: layout %x, this release reads %d", ErrVersion, version, layoutVersion)
	}
	var err error
	if s.current.producer, err = uuid.FromBytes(producer); err != nil {
		return fmt.Errorf("%w: the producer's identity has %d bytes", ErrDamaged, len(producer))
	}
	return nil
}

func (s *Spool) loadQueues(records *bolt.Bucket) error {
	var old []string // their version leaves it to meta whose their lines are
	err := records.ForEach(func(log, value []byte) error {
		q, err := decodeQueue(log, value, s.current.producer)
		if err != nil {
			return err
		}
		if value[0] != queueVersion {
			old = append(old, string(log))
		}
		s.queues[string(log)] = q
		s.bytes += int64(q.bytes)
		if q.oldest < q.next {
			s.added[string(log)] = struct{}{}
		}
		return nil
	})
	for _, log := range old {
		err = errors.Join(err, records.Put([]byte(log), encodeQueue(s.queues[log])))
	}
	return err
}

// Path returns the path that Open was given.
func (s *Spool) Path() string { return s.path }

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

// Queue returns the state of one log. A log that the spool has never held has Oldest and Next 1.
func (s *Spool) Queue(log string) Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[log]
	if !ok {
		q = newQueue(0, s.current.producer)
	}
	return s.snapshotLocked(log, q)
}

// snapshotLocked returns the queue's state, counting what is settled as gone.
func (s *Spool) snapshotLocked(log string, q queue) Queue {
	oldest := s.oldestLocked(log, q)
	id := q.identityAt(oldest, s.current.producer)
	snapshot := Queue{
		Log: log, Oldest: oldest, Next: q.next,
		Producer: id.producer, Sequence: id.sequence(oldest), Until: math.MaxUint64, Held: s.orders.holds(log),
		Dropped: q.dropped, AsideBlocks: q.aside.blocks, AsideLines: q.aside.lines,
	}
	if q.unmet > 0 {
		snapshot.Until = q.unmet
	}
	return snapshot
}

// oldestLocked returns the log's first position that is not settled.
func (s *Spool) oldestLocked(log string, q queue) uint64 {
	if through, ok := s.settled[log]; ok {
		return max(q.oldest, min(through+1, q.next))
	}
	return q.oldest
}

// Lines returns the number of lines that wait for a receipt.
func (s *Spool) Lines() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.linesLocked()
}

func (s *Spool) linesLocked() int64 {
	var lines uint64
	for log, q := range s.queues {
		lines += q.next - s.oldestLocked(log, q)
	}
	return int64(lines)
}

// WaitEmpty returns nil once no line waits for a receipt, or the context's error.
func (s *Spool) WaitEmpty(ctx context.Context) error {
	for {
		s.mu.Lock()
		if s.linesLocked() == 0 {
			s.mu.Unlock()
			return nil
		}
		if s.emptied == nil {
			s.emptied = make(chan struct{})
		}
		emptied := s.emptied
		s.mu.Unlock()
		select {
		case <-emptied:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Checkpoints returns the checkpoints whose keys begin with prefix.
func (s *Spool) Checkpoints(prefix string) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketCheckpoints).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			all[string(k)] = append([]byte(nil), v...)
		}
		return nil
	})
	return all, err
}

// Close stores what is settled and closes the file. Calls of Append that wait return ErrClosed.
func (s *Spool) Close() error {
	s.closed.Do(func() { close(s.closing) })
	<-s.stopped
	return s.db.Close()
}
