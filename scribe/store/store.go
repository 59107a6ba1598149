package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
)

const (
	// earlyRound is the number of uncommitted bytes at which a round starts though nobody waits for one.
	earlyRound = 16 << 20
	// complainEvery is how often failing logs are reported: a full disk fails them all, again and again.
	complainEvery = 10 * time.Second
	// maxUncommitted is the number of uncommitted bytes at which appends wait for the round that runs.
	maxUncommitted = 64 << 20
)

// Options are the settings of a store.
type Options struct {
	// Policy is that of the logs that no rule matches. The first rule that matches a log counts.
	Policy Policy
	Rules  []Rule
	// MinFree is the number of bytes that are kept free on each volume with logs: below it the oldest rotated files of
	// all logs there are deleted. No limit if it is not above zero.
	MinFree int64
	Access  Access
	// Durability says what committed lines survive; "" is PowerLoss.
	Durability Durability
	// Notes is a folder outside the root in which the store notes which root it finds at a path, so that it can refuse to
	// begin anew where the root's file system is not mounted; "" for none.
	Notes string
	// MaxOpenFiles bounds the logs whose active file is open at the same time; the one that has not been used for longest
	// is closed for another. 0 is DefaultMaxOpenFiles. Where the process may have fewer than twice as many
	// descriptors, half of those counts.
	MaxOpenFiles int
	// ProducerTTL is how long the ledger remembers a producer that commits nothing in a log; for ever if it is not above
	// zero. Lines that a producer sends again after that time, because their receipt was lost, are written again.
	ProducerTTL time.Duration
	Logger      *slog.Logger // nil discards
	// Now is the wall clock, and its times' location that of the periods of Policy.RotateEvery; nil is time.Now.
	Now func() time.Time

	manual bool // no housekeeping of itself: tests call it
}

// Store is a folder of logs. All methods are safe for concurrent use.
type Store struct {
	path        string
	root        *os.Root
	ledger      *ledger
	general     Policy
	rules       []Rule
	minFree     int64
	access      Access
	durability  Durability
	producerTTL time.Duration
	fdatasync   func(*os.File) error // tests have it fail
	logger      *slog.Logger
	now         func() time.Time
	stats       counters
	archive     *archive // nil if no policy needs it

	housekeeping sync.WaitGroup // the keeper and the compressor
	dismiss      func()         // ends them

	kick    chan struct{} // capacity 1: a round is wanted
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when the committer is done
	closed  sync.Once

	lastRound error // that of Close; set before stopped is closed

	maxOpen int           // logs whose file may be open
	open    atomic.Int64  // logs whose file is open
	uses    atomic.Uint64 // counts uses of logs, as a clock

	mu           sync.Mutex // guards what follows; taken after a log's mutex, never before
	logs         map[string]*logFile
	all          []*logFile            // the same; it only grows, so that who has it needs no lock to read it
	dirty        map[*logFile]struct{} // changed since the last snapshot
	folders      map[string]struct{}   // folders whose entries changed since the last snapshot
	uncommitted  int64                 // bytes appended since the last snapshot
	next         *round                // gathers
	running      *round                // syncs; nil when the committer is idle
	runningSince time.Time             // or since when it syncs the files that it does now
	complained   time.Time             // when a failing log was reported last
	grumbled     time.Time             // when trouble of the housekeeping was reported last
	ledgerFailed bool                  // the ledger's last transaction failed: nothing counts until one succeeds
}

// Open opens the store below the folder path, or makes it. It brings every log back to its committed state before it
// returns. The error wraps ErrLocked when another process has the store open, ErrVersion or ErrDamaged when the ledger
// can't be read, ErrOtherRoot when the notes tell of another root there.
func Open(path string, o Options) (_ *Store, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{
		path: path, general: o.Policy, rules: o.Rules, minFree: o.MinFree, access: o.Access.withDefaults(),
		durability: o.Durability, producerTTL: o.ProducerTTL, fdatasync: fdatasync, logger: o.Logger, now: o.Now,
		kick: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
		logs: map[string]*logFile{}, dirty: map[*logFile]struct{}{}, folders: map[string]struct{}{},
		next: newRound(), maxOpen: maxOpenFiles(o.MaxOpenFiles),
	}
	if err := s.openRoot(o.Notes); err != nil {
		return nil, err
	}
	if s.durability == ProcessCrash {
		s.ledger.db.NoSync = true
	}
	if err := s.recoverAll(); err != nil {
		return nil, errors.Join(fmt.Errorf("recover %s: %w", path, err), s.ledger.db.Close(), s.root.Close())
	}
	go s.commitRounds()
	s.keepHouse(o.manual)
	return s, nil
}

// openRoot opens the root folder and its ledger, or makes them. A folder that is not the root which the notes tell of it
// leaves as it is.
func (s *Store) openRoot(notes string) error {
	n, want, err := noted(notes, s.path)
	if err != nil {
		return err
	}
	if err := s.access.makeRoot(s.path); err != nil {
		return fmt.Errorf("make the root folder: %w", err)
	}
	if s.root, err = os.OpenRoot(s.path); err != nil {
		return fmt.Errorf("open the root folder: %w", err)
	}
	if s.ledger, err = openLedger(filepath.Join(s.path, ledgerName)); err != nil {
		return errors.Join(err, s.root.Close())
	}
	switch {
	case want == uuid.Nil:
		n.write(s.ledger.root, s.logger)
	case want != s.ledger.root:
		return errors.Join(n.refuse(want, "holds that of root "+s.ledger.root.String()), s.ledger.db.Close(), s.root.Close())
	}
	return nil
}

// Root returns the identity of the root folder, made with its ledger.
func (s *Store) Root() uuid.UUID { return s.ledger.root }

// log returns the state of the log of that name, which need not exist yet.
func (s *Store) log(name string) *logFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[name]
	if l == nil {
		l = &logFile{name: name, store: s, policy: s.policy(name)}
		l.form = l.policy.form()
		l.roundOver = sync.NewCond(&l.mu)
		s.logs[name] = l
		s.all = append(s.all, l)
	}
	return l
}

// complain reports that a log failed, unless another failure was reported just before.
func (s *Store) complain(log string, err error) {
	s.mu.Lock()
	now := time.Now()
	due := now.Sub(s.complained) >= complainEvery
	if due {
		s.complained = now
	}
	s.mu.Unlock()
	if due {
		s.logger.Error("can't write a log: its uncommitted lines are cut off and asked for again", "log", log, "error", err)
	}
}

// Claim says that its caller owns the log in that epoch, or in no epoch if it is 0. It returns once the epoch is
// durable; from then on older epochs are refused with a FencedError, as Claim itself refuses one.
func (s *Store) Claim(name string, epoch uint64) error {
	if err := logname.Check(name); err != nil {
		return err
	}
	s.awaitRoom()
	l := s.log(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		return err
	}
	if epoch <= l.entry.epoch {
		return l.fence(epoch)
	}
	if err := s.ledger.change(name, func(e *entry) { e.epoch = max(e.epoch, epoch) }); err != nil {
		return fmt.Errorf("store the epoch of log %q: %w", name, err)
	}
	l.entry.epoch = epoch
	return nil
}

// Committed returns the last sequence of the producer in the log that is durable, 0 for none, and the highest epoch of
// the log that has been claimed.
func (s *Store) Committed(name string, producer block.Producer) (sequence, epoch uint64, err error) {
	l := s.log(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaitRound()
	if l.unclean {
		if err := l.ready(); err != nil {
			return 0, 0, err
		}
	}
	if l.file != nil {
		return l.marks[producer].committed, l.entry.epoch, nil
	}
	e, sequences, _, err := s.ledger.log(name) // without its file, which may be one of very many
	if err != nil {
		return 0, 0, fmt.Errorf("look up log %q: %w", name, err)
	}
	return sequences[producer], e.epoch, nil
}

// Close commits what has been appended and closes all files. Its error says why not all could be committed, or closed.
// After it, no other method may be called.
func (s *Store) Close() error {
	s.dismiss() // while the committer runs, so that nothing waits for it in vain
	s.housekeeping.Wait()
	s.closed.Do(func() { close(s.closing) })
	<-s.stopped
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		if l.file != nil {
			l.file.Close() // synced, or not acknowledged
		}
	}
	clear(s.logs)
	return errors.Join(s.lastRound, s.ledger.db.Close(), s.root.Close())
}
