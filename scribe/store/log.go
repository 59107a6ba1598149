package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/failpoint"
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
	form   Form          // that of the policy; the active file's once it is open
	used   atomic.Uint64 // the store's clock at the last use
	told   told

	mu        sync.Mutex // guards what follows
	file      *os.File   // the active file; nil until it is ready
	size      int64      // of the active file
	sum       checksum   // of the active file
	begun     int64      // when its first line was written, microseconds since 1970 UTC; counts if it is not empty
	entry     entry      // as the ledger has it
	lastStamp int64      // time in the name of the last rotation, committed or not, microseconds since 1970 UTC
	marks     map[block.Producer]mark
	touched   map[block.Producer]struct{} // whose marks changed since the last snapshot
	reached   map[source][]byte           // checkpoints of sources since the last snapshot; nil for none
	full      []*os.File                  // rotated since the last snapshot, still open to be synced
	filled    []filledFile                // rotated since the last snapshot
	synced    []*os.File                  // were synced ahead of their round while another one, which may hold them, ran
	appended  volume                      // since the last snapshot
	pending   bool                        // something was written since the last snapshot
	inRound   bool                        // a round holds a snapshot; the log must not be opened anew meanwhile
	roundOver *sync.Cond                  // on mu: inRound became false
	opened    bool                        // it was open before
	unclean   bool                        // its files may hold what is to be cut back: it failed, and was not opened since
	unopened  bool                        // the last attempt to open it failed
	resets    uint64                      // how often uncommitted bytes were cut back
	lastErr   error                       // why they were, the last time
	tampered  bool                        // others have changed the active file
}

// Block is a block on its way into the store.
type Block struct {
	*block.Block
	Lines  []byte // its decoded payload; nil has the store decode it, if it must
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

// Append writes the lines of the block that its producer's earlier blocks have not brought yet, and returns the ticket that
// tells what becomes of them; they are not durable before Commit. The lines are returned too, if they are known: not where
// b has none and TakesFrame is true. It refuses a block with a GapError or a FencedError, or one that wraps
// block.ErrPayload; any other error says that the log's file can't be written, and that what of it was not committed is lost.
func (s *Store) Append(b Block) ([]byte, Ticket, error) {
	s.awaitRoom()
	l := s.log(b.Log)
	buf := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(buf)
	record, err := l.record(&b, buf) // before the lock: to encode takes a while
	if err != nil {
		return nil, Ticket{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		return nil, Ticket{}, err
	}
	if err := l.fence(b.Epoch); err != nil {
		return nil, Ticket{}, err
	}
	m := l.marks[b.Producer]
	switch next := m.appended + 1; {
	case sabotage.On(sabotage.Dedup):
	case b.Last() < next:
		s.stats.skippedLines.Add(int64(b.Count))
		return nil, l.ticket(), nil
	case b.First < next:
		s.stats.skippedLines.Add(int64(next - b.First))
		if record, err = l.skip(&b, next-b.First, buf); err != nil {
			return nil, Ticket{}, err
		}
	case b.First > next && b.First == b.Oldest:
		s.noteGap(&b, next)
		if next > 1 { // else it is not known that they did not come elsewhere
			s.stats.missingLines.Add(int64(b.First - next))
		}
	case b.First > next:
		return nil, Ticket{}, &GapError{Log: b.Log, Next: next, First: b.First}
	}
	if err := l.write(record); err != nil {
		return nil, Ticket{}, err
	}
	l.appended.lines += int64(b.Last() - max(m.appended, b.First-1))
	m.appended = max(m.appended, b.Last())
	l.marks[b.Producer] = m
	l.touched[b.Producer] = struct{}{}
	l.noteReached(&b)
	return b.Lines, l.ticket(), nil
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
	buf := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(buf)
	record := l.encode(lines, buf)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		return Ticket{}, err
	}
	if err := l.fence(epoch); err != nil {
		return Ticket{}, err
	}
	if err := l.write(record); err != nil {
		return Ticket{}, err
	}
	l.appended.lines += int64(bytes.Count(lines, newline))
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
		l.told.failed(err)
		l.unopened = true
		return fmt.Errorf("open log %q: %w", l.name, err)
	}
	if l.unopened { // what kept it from being written then does so no more, even if no line follows
		l.unopened = false
		l.told.trouble.Store(nil)
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

// write appends whole lines, or a frame, to the active file, rotating it as often as it is full, and when its period is
// over. After an error the log is reset.
func (l *logFile) write(record []byte) error {
	l.pending = true
	l.store.changed(l, len(record))
	now := l.store.now()
	if err := l.rotateIfOver(now); err != nil {
		return l.fail(err)
	}
	for len(record) > 0 {
		n := l.fitting(record)
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
		if err := l.put(record[:n]); err != nil {
			return l.fail(err)
		}
		if err := failpoint.Reach(failpoint.AppendWritten); err != nil {
			return l.fail(err)
		}
		l.size += int64(n)
		l.appended.bytes += int64(n)
		l.sum = l.sum.with(record[:n])
		record = record[n:]
	}
	return nil
}

// put appends p to the active file. If others have cut the file, or written to it, p is not where it should be: then it is
// taken away, so that what is left is committed, or theirs.
func (l *logFile) put(p []byte) error {
	if _, err := l.file.Write(p); err != nil {
		return err
	}
	end, err := l.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if end == l.size+int64(len(p)) {
		return nil
	}
	begin := end - int64(len(p))
	l.noteTampering()
	return errors.Join(fmt.Errorf("%w: it had %d bytes instead of %d", errTampered, begin, l.size), l.file.Truncate(begin))
}

// noteTampering records that others have changed the active file.
func (l *logFile) noteTampering() {
	l.tampered = true
	l.store.stats.tampered.Add(1)
}

// fitting returns how many bytes of the record go to the active file: whole lines, up to the maximal size; at least one line
// if the file is empty. A frame goes there as a whole or not at all.
func (l *logFile) fitting(record []byte) int {
	limit := l.policy.MaxSize
	if limit <= 0 || int64(len(record)) <= limit-l.size {
		return len(record)
	}
	if l.form == Frames {
		if l.size == 0 {
			return len(record)
		}
		return 0
	}
	room := max(limit-l.size, 0)
	if n := bytes.LastIndexByte(record[:room], '\n') + 1; n > 0 || l.size > 0 {
		return n
	}
	return bytes.IndexByte(record, '\n') + 1
}

// fail gives up what is not committed: the next use opens the log anew, in the committed state. It returns err with the
// log's name.
func (l *logFile) fail(err error) error {
	l.close()
	l.unclean = true
	l.resets++
	l.store.stats.resets.Add(1)
	l.lastErr = err
	l.told.failed(err)
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
	named, err := l.store.root.Stat(l.form.active(l.name))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(info, named):
		return fmt.Errorf("%w: it was removed, renamed or replaced", errTampered)
	case err != nil:
		return err
	case info.Size() != l.size:
		return fmt.Errorf("%w: it has %d bytes instead of %d", errTampered, info.Size(), l.size)
	}
	return nil
}

// close closes all files of the log.
func (l *logFile) close() {
	for _, f := range l.full {
		f.Close() // not acknowledged
	}
	l.full, l.filled, l.pending, l.appended = nil, nil, false, volume{}
	l.marks, l.touched, l.reached = nil, nil, nil // open reads them again; there may be very many closed logs
	if l.file != nil {
		l.file.Close()
		l.file = nil
		l.store.open.Add(-1)
	}
}

// skipLines returns lines without its first n lines.
func skipLines(lines []byte, n uint64) []byte {
	for ; n > 0; n-- {
		lines = lines[bytes.IndexByte(lines, '\n')+1:]
	}
	return lines
}
