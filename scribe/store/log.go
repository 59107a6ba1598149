package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/sabotage"
)

// mark is how far one producer's lines have come in one log, as sequences.
type mark struct {
	appended  uint64
	committed uint64
}

// logFile is one log: its active file and what is not committed of it yet.
type logFile struct {
	name   string
	store  *Store
	policy *Policy
	used   atomic.Uint64 // the store's clock at the last use

	mu        sync.Mutex // guards what follows
	file      *os.File   // the active file; nil until it is ready
	size      int64      // of the active file
	begun     int64      // when its first line was written, microseconds since 1970 UTC; counts if it is not empty
	entry     entry      // as the ledger has it
	lastStamp int64      // time in the name of the last rotation, committed or not, microseconds since 1970 UTC
	marks     map[block.Producer]mark
	touched   map[block.Producer]struct{} // whose marks changed since the last snapshot
	reached   map[source][]byte           // checkpoints of sources since the last snapshot; nil for none
	full      []*os.File                  // rotated since the last snapshot, still open to be synced
	filled    []rotatedFile               // rotated since the last snapshot
	synced    []*os.File                  // were synced ahead of their round while another one, which may hold them, ran
	pending   bool                        // something was written since the last snapshot
	inRound   bool                        // a round holds a snapshot; the log must not be opened anew meanwhile
	roundOver *sync.Cond                  // on mu: inRound became false
	unclean   bool                        // its files may hold what is to be cut back: it failed, and was not opened since
	resets    uint64                      // how often uncommitted bytes were cut back
	lastErr   error                       // why they were, the last time
}

// Block is a block on its way into the store.
type Block struct {
	*block.Block
	Lines  []byte // its decoded payload
	Epoch  uint64 // of the stream it came with; 0 claims none
	Oldest uint64 // the first sequence that its producer still holds
	// Identity is that of the agent, whose checkpoints are then kept; empty for none.
	Identity string
}

// Ticket stands for appended lines that are not committed yet.
type Ticket struct {
	log    *logFile
	resets uint64
}

// ticket stands for what has been appended so far.
func (l *logFile) ticket() Ticket { return Ticket{log: l, resets: l.resets} }

// Lost returns an error that wraps ErrLost if the lines were cut back. After a Commit that began later than the
// append, nil says that they are committed.
func (t Ticket) Lost() error {
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	if t.log.resets == t.resets {
		return nil
	}
	return fmt.Errorf("%w: log %q: %w", ErrLost, t.log.name, t.log.lastErr)
}

// Append writes the lines of the block that its producer's earlier blocks have not brought yet, and returns them with
// the ticket that tells what becomes of them; they are not durable before Commit. It refuses a block with a GapError or a FencedError; any other error says that
// the log's file can't be written, and that what of it was not committed is lost.
func (s *Store) Append(b Block) ([]byte, Ticket, error) {
	s.awaitRoom()
	l := s.log(b.Log)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		return nil, Ticket{}, err
	}
	if err := l.fence(b.Epoch); err != nil {
		return nil, Ticket{}, err
	}
	m := l.marks[b.Producer]
	lines := b.Lines
	switch next := m.appended + 1; {
	case sabotage.On(sabotage.Dedup):
	case b.Last() < next:
		return nil, l.ticket(), nil
	case b.First < next:
		lines = skipLines(lines, next-b.First)
	case b.First > next && b.First == b.Oldest:
		s.noteGap(&b, next)
	case b.First > next:
		return nil, Ticket{}, &GapError{Log: b.Log, Next: next, First: b.First}
	}
	if err := l.write(lines); err != nil {
		return nil, Ticket{}, err
	}
	m.appended = max(m.appended, b.Last())
	l.marks[b.Producer] = m
	l.touched[b.Producer] = struct{}{}
	l.noteReached(&b)
	return lines, l.ticket(), nil
}

// noteReached has the checkpoint committed that the block's last line, which was just written, has reached.
func (l *logFile) noteReached(b *Block) {
	if b.Identity == "" || b.Reached.Source == "" {
		return
	}
	if l.reached == nil {
		l.reached = map[source][]byte{}
	}
	l.reached[source{b.Identity, b.Reached.Source}] = b.Reached.Value
}

// noteGap says which lines of a producer will not come any more. Where none came before, another Scribe may have them:
// the log has a new owner.
func (s *Store) noteGap(b *Block, next uint64) {
	message := "lines are missing: their producer no longer holds them"
	if next == 1 {
		message = "a producer's first lines are not here: a former owner of the log has them, they were dropped, or they came longer ago than producer_ttl"
	}
	s.logger.Warn(message, "log", b.Log, "producer", b.Producer, "from", next, "to", b.First-1)
}

// AppendLines appends whole lines that carry no sequence.
func (s *Store) AppendLines(name string, epoch uint64, lines []byte) (Ticket, error) {
	s.awaitRoom()
	l := s.log(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		return Ticket{}, err
	}
	if err := l.fence(epoch); err != nil {
		return Ticket{}, err
	}
	if err := l.write(lines); err != nil {
		return Ticket{}, err
	}
	return l.ticket(), nil
}

// fence returns a FencedError for an epoch that is over.
func (l *logFile) fence(epoch uint64) error {
	if epoch != 0 && epoch < l.entry.epoch {
		return &FencedError{Log: l.name, Epoch: epoch, Seen: l.entry.epoch}
	}
	return nil
}

// ready makes sure that the log has its active file open, in the committed state.
func (l *logFile) ready() error {
	l.used.Store(l.store.uses.Add(1))
	l.awaitRound()
	if l.file != nil {
		return nil
	}
	if err := l.open(); err != nil {
		return fmt.Errorf("open log %q: %w", l.name, err)
	}
	return nil
}

// awaitRound waits, if the log has no file open, for the round that holds a snapshot of it: what the round commits must
// not be cut off under it.
func (l *logFile) awaitRound() {
	for l.file == nil && l.inRound {
		l.roundOver.Wait()
	}
}

// write appends whole lines to the active file, rotating it as often as it is full, and when its period is over. After an error the log is reset.
func (l *logFile) write(lines []byte) error {
	l.pending = true
	l.store.changed(l, len(lines))
	now := l.store.now()
	if err := l.rotateIfOver(now); err != nil {
		return l.fail(err)
	}
	for len(lines) > 0 {
		n := l.fitting(lines)
		if n == 0 {
			if err := l.rotate(); err != nil {
				return l.fail(err)
			}
			l.store.stats.rotatedBySize.Add(1)
			continue
		}
		if l.size == 0 {
			l.begun = now.UnixMicro()
		}
		if err := failpoint.Reach(failpoint.AppendWrite); err != nil {
			return l.fail(err)
		}
		if _, err := l.file.Write(lines[:n]); err != nil {
			return l.fail(err)
		}
		if err := failpoint.Reach(failpoint.AppendWritten); err != nil {
			return l.fail(err)
		}
		l.size += int64(n)
		lines = lines[n:]
	}
	return nil
}

// fitting returns how many bytes of lines go to the active file: whole lines, up to the maximal size; at least one line
// if the file is empty.
func (l *logFile) fitting(lines []byte) int {
	limit := l.policy.MaxSize
	if limit <= 0 || int64(len(lines)) <= limit-l.size {
		return len(lines)
	}
	room := max(limit-l.size, 0)
	if n := bytes.LastIndexByte(lines[:room], '\n') + 1; n > 0 || l.size > 0 {
		return n
	}
	return bytes.IndexByte(lines, '\n') + 1
}

// fail gives up what is not committed: the next use opens the log anew, in the committed state. It returns err with the
// log's name.
func (l *logFile) fail(err error) error {
	l.close()
	l.unclean = true
	l.resets++
	l.lastErr = err
	l.store.complain(l.name, err)
	return fmt.Errorf("write log %q: %w", l.name, err)
}

// intact returns an error if the active file is not what was written to it: others have removed, replaced, cut or written
// to it. What is not committed then must not be acknowledged.
func (l *logFile) intact() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	named, err := l.store.root.Stat(logname.Active(l.name))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(info, named):
		return errors.New("something else has removed, renamed or replaced the file")
	case err != nil:
		return err
	case info.Size() > l.size:
		return fmt.Errorf("something else has written to the file: it has %d bytes instead of %d", info.Size(), l.size)
	case info.Size() < l.size:
		return fmt.Errorf("something else has cut the file: it has %d bytes instead of %d", info.Size(), l.size)
	}
	return nil
}

// close closes all files of the log.
func (l *logFile) close() {
	for _, f := range l.full {
		f.Close() // not acknowledged
	}
	l.full, l.filled, l.pending = nil, nil, false
	l.marks, l.touched, l.reached = nil, nil, nil // open reads them again; there may be very many closed logs
	if l.file != nil {
		l.file.Close()
		l.file = nil
		l.store.open.Add(-1)
	}
}

// open reads the log's state from the ledger, brings the files back to it and opens the active one. A log that the
// ledger does not know is entered first, with what its file may hold already: from then on, what stands in the file
// beyond the ledger's size is known to be uncommitted.
func (l *logFile) open() error {
	s := l.store
	e, sequences, known, err := s.ledger.log(l.name)
	if err != nil {
		return err
	}
	if !known {
		if e.size, err = s.sizeBefore(l.name); err != nil {
			return err
		}
		if err := failpoint.Reach(failpoint.OpenEnter); err != nil {
			return err
		}
		if err := s.ledger.change(l.name, func(new *entry) { *new = e }); err != nil {
			return err
		}
	}
	if err := failpoint.Reach(failpoint.OpenFolder); err != nil {
		return err
	}
	if err := s.makeFolders(logname.Dir(l.name)); err != nil {
		return err
	}
	stamps, err := s.uncommittedRotations(l.name, e)
	if err != nil {
		return err
	}
	begun := e.begun
	if begun == 0 {
		begun = s.lastWritten(l.name)
	}
	r, err := s.recoverLog(l.name, e, stamps)
	if err != nil {
		return err
	}
	if r.committed != e.size { // others have cut the file; from here on, what is there counts
		e.size = r.committed
		if err := s.ledger.change(l.name, func(stored *entry) { stored.size = r.committed }); err != nil {
			r.file.Close()
			return err
		}
	}
	s.open.Add(1)
	l.file, l.size, l.begun, l.entry, l.lastStamp = r.file, r.size, begun, e, r.lastStamp
	l.touched, l.reached, l.unclean = map[block.Producer]struct{}{}, nil, false
	l.marks = make(map[block.Producer]mark, len(sequences))
	for p, sequence := range sequences {
		l.marks[p] = mark{appended: sequence, committed: sequence}
	}
	return nil
}

// lastWritten returns when something was last written to the log's active file, in microseconds since 1970 UTC; now if
// that can't be told. For a file that an earlier release began, or another program, it stands for its beginning.
func (s *Store) lastWritten(name string) int64 {
	if info, err := s.root.Stat(logname.Active(name)); err == nil {
		return info.ModTime().UnixMicro()
	}
	return s.now().UnixMicro()
}

// sizeBefore returns the size of a log's file that stands there already, 0 if none does. It must not be mistaken: what
// stands beyond it is taken for uncommitted.
func (s *Store) sizeBefore(name string) (int64, error) {
	info, err := s.root.Stat(logname.Active(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is not a regular file", logname.Active(name))
	}
	return info.Size(), nil
}

// skipLines returns lines without its first n lines.
func skipLines(lines []byte, n uint64) []byte {
	for ; n > 0; n-- {
		lines = lines[bytes.IndexByte(lines, '\n')+1:]
	}
	return lines
}
