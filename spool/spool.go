package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
)

// The errors that Open and Append wrap.
var (
	ErrDiskFull = errors.New("the disk has no room for it")
	ErrLocked   = errors.New("another agent holds the spool")
	ErrVersion  = errors.New("the spool was written by another release")
	ErrDamaged  = boltfile.ErrDamaged
	ErrClosed   = errors.New("the spool is closed")
)

const layoutVersion = 2

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
	// MaxSize bounds the bytes of disk that the spool takes, all told but the quarantine; size.Unlimited, or 0, is no
	// limit. A single batch that is larger is taken when the spool is empty.
	MaxSize  int64
	WhenFull Policy
	// WhenDamaged says what Open does with a file that is damaged.
	WhenDamaged Remedy
	Logger      *slog.Logger // nil discards
}

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

	mu       sync.Mutex // guards what follows
	whenFull Policy     // only the writer writes it, and reads it without the mutex
	current  current
	queues   map[string]queue
	settled  map[string]uint64 // by log, what Settle was told and the file does not know yet
	orders   orders
	flights  map[string]flight   // by log, what was read and may be on its way
	arrived  map[string]uint64   // by log, lines counted as dropped that have arrived, which the file does not know yet
	told     map[string]uint64   // by log, how many dropped lines were said, which the file does not know yet
	bytes    int64               // of all block records
	added    map[string]struct{} // logs with new blocks since TakeAppended
	emptied  chan struct{}       // closed when the last unsettled line is settled; nil while nobody waits
	stats    Stats               // but for what is counted elsewhere
}

// Open opens the spool at path, or makes it and its folder. The error wraps ErrLocked when another process has it open,
// ErrVersion when a later release wrote it, ErrDamaged when it is damaged and the remedy is to refuse it, ErrDiskFull when
// the disk is too full to open, make or repair it: then it is as it was, and Open may be called again.
func Open(path string, o Options) (*Spool, error) { return openOn(disk{}, path, o) }

// openOn is Open on a disk that may fail.
func openOn(d writable, path string, o Options) (*Spool, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := CheckMaxSize(o.MaxSize); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the spool's folder: %w", err)
	}
	w, err := openSound(d, path, o)
	if errors.Is(err, ErrDamaged) {
		w, err = openDamaged(d, path, o, err)
	}
	if isFull(err) || boltfile.IsFull(err) {
		err = fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	if err != nil {
		return nil, err
	}
	w.tellEarlierDrops()
	w.signal()
	go w.run()
	return w.Spool, nil
}

// openSound opens a spool that is sound.
func openSound(d writable, path string, o Options) (*writer, error) {
	info, err := os.Stat(path)
	empty, missing := err == nil && info.Size() == 0, errors.Is(err, fs.ErrNotExist)
	h := holdings{logs: map[uint32]*held{}}
	file, err := openFile(path, pageSize(ownBound(o.MaxSize)), h.visit)
	if err != nil && missing && boltfile.IsFull(err) {
		return nil, errors.Join(err, os.Remove(path)) // or it would be taken for one that was emptied
	}
	if err != nil {
		return nil, err
	}
	if empty {
		o.Logger.Warn("the spool's file was empty: a new spool begins in it, and what it may have held is lost", "path", path)
	}
	s := &Spool{
		path: path, maxSize: ownBound(o.MaxSize), whenFull: o.WhenFull, logger: o.Logger, file: file,
		requests: make(chan *request),
		limits:   make(chan limits),
		settles:  make(chan struct{}, 1),
		appended: make(chan struct{}, 1),
		closing:  make(chan struct{}),
		stopped:  make(chan struct{}),
		failed:   make(chan struct{}),
		queues:   map[string]queue{},
		settled:  map[string]uint64{},
		orders:   newOrders(),
		flights:  map[string]flight{},
		arrived:  map[string]uint64{},
		told:     map[string]uint64{},
		added:    map[string]struct{}{},
	}
	w := newWriter(s, d)
	if err := w.load(&h); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool %s: %w", path, err), file.Close())
	}
	return w, nil
}

func openFile(path string, page int, visit boltfile.Visitor) (*boltfile.Sized, error) {
	file, err := boltfile.OpenSized(path, page, visit)
	if err != nil {
		return nil, openError(path, err)
	}
	// Nobody else compacts this file now: it is locked.
	if err := os.Remove(path + compactSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("open spool: %w", err), file.Close())
	}
	return file, nil
}

// openError names the file, and says what to do about a lock.
func openError(path string, err error) error {
	if errors.Is(err, boltfile.ErrLocked) {
		return fmt.Errorf("open spool %s: %w; stop it, or use another spool", path, ErrLocked)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok { // it names the file
		return fmt.Errorf("open spool: %w", err)
	}
	return fmt.Errorf("open spool %s: %w", path, err)
}

// load reads the state of all queues, and makes the buckets and the producer of a new spool.
func (w *writer) load(h *holdings) error {
	w.extend(w.file.PageSize()*basePages + 2*w.recordsSize())
	return w.file.Update(w.file.End(), func(tx *bolt.Tx) error {
		if err := boltfile.MakeBuckets(tx, bucketMeta, bucketQueues, bucketBlocks, bucketCheckpoints); err != nil {
			return err
		}
		if err := w.loadMeta(tx.Bucket(bucketMeta)); err != nil {
			return err
		}
		if err := w.loadQueues(tx.Bucket(bucketQueues)); err != nil {
			return err
		}
		if err := w.checkQueues(h, blocksOf(w.file, tx)); err != nil {
			return err
		}
		return w.settleIdentity(tx.Bucket(bucketMeta), tx.Bucket(bucketQueues))
	})
}

// recordsSize returns the bytes of all queue records, which Open may have to write anew.
func (s *Spool) recordsSize() (n int64) {
	_ = s.file.View(func(tx *bolt.Tx) error { // where it fails, Update will say why
		if records := tx.Bucket(bucketQueues); records != nil {
			return records.ForEach(func(log, value []byte) error {
				n += int64(len(log)+len(value)) + itemOverhead
				return nil
			})
		}
		return nil
	})
	return n
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
	if len(version) != 1 || version[0] == 0 || version[0] > layoutVersion {
		return fmt.Errorf("%w: layout %x, this release reads up to %d", ErrVersion, version, layoutVersion)
	}
	if version[0] < layoutVersion { // what follows is no longer for a release that knows the older one
		if err := meta.Put(keyVersion, []byte{layoutVersion}); err != nil {
			return err
		}
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
		if q.oldest < q.next {
			s.added[string(log)] = struct{}{}
		}
		return nil
	})
	for _, log := range old {
		err = errors.Join(err, records.Put([]byte(log), encodeQueue(log, s.queues[log])))
	}
	return err
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
		Dropped: q.dropped - min(q.dropped, s.arrived[log]), AsideBlocks: q.aside.blocks, AsideLines: q.aside.lines, Refused: q.aside.refused,
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
	err := s.EachCheckpoint(prefix, func(key string, value []byte) error {
		all[key] = bytes.Clone(value)
		return nil
	})
	return all, err
}

// EachCheckpoint calls visit for each checkpoint whose key begins with prefix, in the order of keys, and ends with visit's
// first error. The value is valid until visit returns. The file can't be replaced meanwhile, for which the writer may have
// to wait: so visit must be quick. It must not use the spool, or both may wait for ever.
func (s *Spool) EachCheckpoint(prefix string, visit func(key string, value []byte) error) error {
	return s.view(func(tx *bolt.Tx) error {
		read, c := 0, tx.Bucket(bucketCheckpoints).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if err := visit(string(k), v); err != nil {
				return err
			}
			if read += len(k) + len(v); read >= maxMapped/4 { // with what else is in their pages, about maxMapped
				read = 0
				if err := s.file.ForgetWithin(tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
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
