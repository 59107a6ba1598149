package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A block that can't be read, or that no Scribe takes, is set aside: out of the queue, into a file of its own in the
// folder "<path of the spool>.quarantine", where it waits for people. The file is named after the log, the producer and
// the sequences. It begins with a header of lines "key: value"; then come an empty line and the content: the block's
// lines if it is sound, else its record as it stood in the spool.

// BlockError says that a block in the spool is not what was stored.
type BlockError struct {
	Log      string
	Position uint64 // of a line that the block holds, or should
	Err      error
}

func (e *BlockError) Error() string {
	return fmt.Sprintf("log %q: the block with line %d is damaged: %v", e.Log, e.Position, e.Err)
}

func (e *BlockError) Unwrap() error { return e.Err }

var errMissing = errors.New("it is not there")

// aside is a block that is to be set aside.
type aside struct {
	position uint64 // of a line that it holds
	reason   string
	damaged  bool // else no Scribe takes it
}

// SetAside takes the log's oldest block out of the queue and puts it into a file in the quarantine folder, with the
// reason; it is counted and logged. The position is that of a line that the block holds; if it is not in the oldest
// block, nothing is done. If the reason is a BlockError the lines count as damaged, else as refused; what is sound by then
// stays. SetAside only takes note: until the block has left, the log is Held.
func (s *Spool) SetAside(log string, position uint64, reason error) {
	s.mu.Lock()
	if _, ok := s.queues[log]; ok {
		_, damaged := errors.AsType[*BlockError](reason)
		s.orders.aside[log] = aside{position: position, reason: reason.Error(), damaged: damaged}
	}
	s.mu.Unlock()
	s.wakeWriter()
}

// setAside removes the log's oldest block, once it stands in its file. After an error the block stays where it is.
func (t *transaction) setAside(log string, a aside) error {
	q := t.queue(log)
	last, err := t.headEnd(q)
	if err != nil || a.position < q.oldest || a.position > last || q.oldest == q.next {
		return err
	}
	record, err := t.blocks.Get(blockKey(q.id, q.oldest))
	if err != nil {
		return err
	}
	lines := readable(log, &q, record)
	if a.damaged && lines != nil {
		return nil // the disk could not read it then: it is sent after all
	}
	file, err := t.writeAside(log, &q, last, record, lines, a.reason)
	if err != nil {
		return err
	}
	n, why := last-q.oldest+1, Damaged
	q.aside.blocks++
	q.aside.lines += n
	if !a.damaged {
		q.aside.refused += n
		why = Refused
	}
	t.committed = append(t.committed, func() {
		t.writer.logger.Error("a block is set aside: its lines are not delivered",
			"log", log, "lines", n, "reason", a.reason, "file", file, "set_aside_in_all", q.aside.lines)
	})
	if q, err = t.removeHead(q, last); err != nil {
		return err
	}
	t.changed[log] = q
	return t.lose(lossKey{log: log, reason: why}, n, uint64(len(lines)))
}

// writeAside puts the queue's oldest block into its file, its lines if they are not nil, and returns the file's path. When
// it returns, the file is durable.
func (t *transaction) writeAside(log string, q *queue, last uint64, record, lines []byte, reason string) (path string, err error) {
	dir := t.writer.path + ".quarantine"
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	id := q.spanAt(q.oldest).sent
	first, final := id.sequence(q.oldest), id.sequence(last)
	path = filepath.Join(dir, fmt.Sprintf("%s_%s_%d-%d", escape(log), id.producer, first, final))
	what, content := "lines", lines
	if content == nil {
		what, content = "record", record
	}
	header := fmt.Sprintf("log: %s\nproducer: %s\nsequences: %d-%d\nset aside: %s\nreason: %s\ncontent: %s\n\n",
		log, id.producer, first, final, time.Now().UTC().Format(time.RFC3339), strings.ReplaceAll(reason, "\n", " "), what)
	if err := writeSynced(path, append([]byte(header), content...)); err != nil {
		return "", err
	}
	return path, errors.Join(syncFolder(dir), syncFolder(filepath.Dir(dir)))
}

// readable returns the lines of a sound record, nil of another.
func readable(log string, q *queue, record []byte) []byte {
	b, err := openRecord(log, q, q.oldest, record)
	if err != nil {
		return nil
	}
	lines, err := b.Lines(nil)
	if err != nil {
		return nil
	}
	return lines
}

// escape returns the log's name as part of a file's name. What is too long for one ends in its checksum.
func escape(log string) string {
	const most = 120
	name := url.PathEscape(log)
	if len(name) > most {
		name = fmt.Sprintf("%s~%08x", name[:most], crc32.ChecksumIEEE([]byte(log)))
	}
	return name
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
