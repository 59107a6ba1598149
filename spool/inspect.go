package spool

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// Report is what Inspect and Verify say of a spool.
type Report struct {
	Path        string      `json:"path"`
	InUse       bool        `json:"in_use"`              // an agent has it open, or a repair: the figures may be of a moment ago
	InUseBy     string      `json:"in_use_by,omitempty"` // the process that has it open
	Layout      int         `json:"layout"`
	Producer    string      `json:"producer"`
	FileBytes   int64       `json:"file_bytes"`
	UsedBytes   int64       `json:"used_bytes"` // in block records; most of the rest is free for others
	Checkpoints int         `json:"checkpoints"`
	Logs        []LogReport `json:"logs"`
	Losses      []Loss      `json:"losses"`                 // in the order of log, reason and file
	Since       time.Time   `json:"losses_since,omitzero"`  // when the list of losses was begun
	Problems    []string    `json:"problems"`               // at most some hundred
	SetAside    string      `json:"damaged_file,omitempty"` // where Repair has left the damaged file
}

// LogReport is the state of one log.
type LogReport struct {
	Log     string     `json:"log"`
	Lines   uint64     `json:"lines"`            // that wait for a receipt
	Bytes   uint64     `json:"bytes"`            // of their block records
	Oldest  uint64     `json:"oldest"`           // position of the first of them; Next if there is none
	Next    uint64     `json:"next"`             // position of the next line
	Stored  *time.Time `json:"stored,omitempty"` // when the oldest block was stored
	Dropped uint64     `json:"dropped"`          // lines dropped because the spool was full, since it was made
	Aside   uint64     `json:"set_aside"`        // lines in the quarantine, since it was made
	Damaged uint64     `json:"damaged"`          // those of them that were damaged
	Refused uint64     `json:"refused"`          // those of them that no Scribe takes
	Lost    uint64     `json:"lost"`             // lines from Oldest on of which there is no sound block
}

// Inspect reads the state of the spool at path, and changes nothing; an agent may have it open. It does not read the
// blocks of a sound spool; of a damaged one it says what Repair would keep. The error wraps ErrVersion or ErrDamaged.
func Inspect(path string) (*Report, error) {
	file, inUse, err := boltfile.OpenForReading(path)
	if err != nil {
		return nil, toolError(path, err)
	}
	defer file.Close()
	s, err := inspect(file, inUse != nil)
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", path, err)
	}
	r := s.report(path)
	if inUse != nil {
		r.InUse, r.InUseBy = true, inUse.Who()
	}
	return r, nil
}

func inspect(file *os.File, inUse bool) (*survey, error) {
	if inUse {
		return inspectInUse(file, func() (int64, error) {
			info, err := file.Stat()
			if err != nil {
				return 0, err
			}
			return info.Size(), nil
		})
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	s, err := surveyRecords(file, info.Size(), true)
	if err != nil || len(s.problems) > 0 {
		return surveyFile(file, true)
	}
	s.readHeads()
	return s, nil
}

// attempts is how often a file is read that an agent writes to, and betweenAttempts how long to wait before the next one.
const (
	attempts        = 20
	betweenAttempts = 10 * time.Millisecond
)

// inspectInUse reads a file that an agent writes to. The agent may use pages again while they are read here, but not
// often those of the newest tree: what was not readable once is tried again. What is not whole is not returned: it would say
// of a sound spool that it is damaged, or that there is nothing where there is something.
func inspectInUse(file io.ReaderAt, size func() (int64, error)) (*survey, error) {
	var wrong error
	for range attempts {
		n, err := size()
		if err != nil {
			return nil, err
		}
		s, err := surveyRecords(file, n, false)
		switch {
		case errors.Is(err, ErrVersion):
			return nil, err
		case err != nil:
			wrong = err
		case len(s.problems) > 0:
			wrong = s.problems[0]
		case len(s.gaps) > 0:
			wrong = errors.New("pages of it were used again meanwhile")
		default:
			s.readHeads()
			return s, nil
		}
		time.Sleep(betweenAttempts)
	}
	return nil, fmt.Errorf("it is in use, and could not be read beside the agent in %d attempts: %w; "+
		"try again, or ask the agent's /metrics; if that lasts, it is damaged: stop the agent and try again", attempts, wrong)
}

// readHeads reads the head of each log's oldest block, for the time at which it was stored.
func (s *survey) readHeads() {
	for _, l := range s.logs {
		if e, ok := s.tree.Get(string(bucketBlocks), blockKey(l.id, l.oldest)); ok {
			if head, err := e.Head(recordHeader); err == nil {
				l.head = recordTime(head)
			}
		}
	}
}

// Verify reads all of the spool at path, each block too, and changes nothing. It is sound if the report has no problems.
// The error wraps ErrLocked if an agent has it open, ErrVersion or ErrDamaged.
func Verify(path string) (*Report, error) {
	s, done, err := surveyAt(path, false)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.report(path), nil
}

// surveyAt surveys a spool that no agent has open, and keeps agents away from it until done is called.
func surveyAt(path string, salvage bool) (s *survey, done func(), err error) {
	file, inUse, err := boltfile.OpenForReading(path)
	if err == nil && inUse != nil {
		file.Close()
		err = inUse
	}
	if err != nil {
		return nil, nil, toolError(path, err)
	}
	if s, err = surveyFile(file, salvage); err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("spool %s: %w", path, err)
	}
	return s, func() { file.Close() }, nil
}

func (s *survey) report(path string) *Report {
	r := &Report{
		Path: path, Layout: s.version, Producer: s.producer.String(), FileBytes: s.size,
		Checkpoints: len(s.checkpoints), Logs: []LogReport{}, Losses: inOrder(s.losses.list(nil)), Since: decodeSince(s.meta[string(keySince)]), Problems: s.list(),
	}
	for _, log := range slices.Sorted(maps.Keys(s.logs)) {
		l := s.reportLog(log)
		r.Logs, r.UsedBytes = append(r.Logs, l), r.UsedBytes+int64(l.Bytes)
	}
	return r
}

func (s *survey) reportLog(log string) LogReport {
	l := s.logs[log]
	r := LogReport{Log: log, Bytes: l.bytes, Oldest: l.oldest, Next: l.next, Dropped: l.dropped, Aside: l.aside.lines, Damaged: l.aside.lines - l.aside.refused, Refused: l.aside.refused, Lost: s.lost(l)}
	r.Lines = r.Next - r.Oldest - r.Lost
	if len(l.blocks) > 0 {
		l.head = l.blocks[0].stored
	}
	if !l.head.IsZero() {
		r.Stored = &l.head
	}
	return r
}

// list returns all that is wrong.
func (s *survey) list() []string {
	problems := []string{}
	for _, p := range s.problems {
		problems = append(problems, p.Error())
	}
	for _, log := range slices.Sorted(maps.Keys(s.logs)) {
		l := s.logs[log]
		for _, d := range l.damaged {
			if len(problems) < 2*maxProblems {
				problems = append(problems, fmt.Sprintf("log %q: the block at line %d: %v", log, d.first, d.err))
			}
		}
	}
	return problems
}
