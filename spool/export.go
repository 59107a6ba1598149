package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/logscribe/logscribe/internal/block"
)

// Export writes the lines of the log, or of all logs if log is "", that wait in the spool at path: each log's in order
// and byte for byte, to the writer that open returns for it, which Export closes. Of a damaged spool it writes what
// Repair would keep. It changes nothing. The error wraps ErrLocked if an agent has the spool open, ErrVersion or
// ErrDamaged.
func Export(path, log string, open func(log string) (io.WriteCloser, error)) (*Report, error) {
	s, done, err := surveyAt(path, true)
	if err != nil {
		return nil, err
	}
	defer done()
	logs := slices.Sorted(maps.Keys(s.logs))
	if log != "" {
		if s.logs[log] == nil {
			return nil, fmt.Errorf("spool %s has no log %q; it has: %s", path, log, strings.Join(logs, " "))
		}
		logs = []string{log}
	}
	for _, log := range logs {
		to, err := open(log)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(s.export(log, to), to.Close()); err != nil {
			return nil, fmt.Errorf("export log %q: %w", log, err)
		}
	}
	return s.report(path), nil
}

func (s *survey) export(log string, to io.Writer) error {
	out := bufio.NewWriterSize(to, block.TargetRawSize)
	l := s.logs[log]
	for _, at := range l.blocks {
		record, err := s.recordAt(place{at: at.at, size: at.size})
		if err != nil {
			return err
		}
		b, err := openRecord(log, &l.queue, at.first, record)
		if err != nil {
			return err
		}
		lines, err := b.Lines(nil)
		if err != nil {
			return err
		}
		if _, err := out.Write(lines); err != nil {
			return err
		}
	}
	return out.Flush()
}
