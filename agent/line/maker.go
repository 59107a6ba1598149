package line

import (
	"regexp"
	"time"

	"github.com/logscribe/logscribe/agent/cut"
	"github.com/logscribe/logscribe/internal/block"
)

// Source is where lines come from, and what becomes of them.
type Source struct {
	Processor *Processor // nil: they pass as they are
	Log       string
	Codec     block.Codec
	MaxLine   int    // bytes, without the newline; longer lines come in pieces
	CutMark   string // put behind each piece but the last
	Host      string // for prefixes, as is File, the path
	File      string
}

// Ending says what stands behind the bytes that were read.
type Ending int

// The endings.
const (
	More Ending = iota // more may follow at any time
	Idle               // nothing has followed for Timeout: the last event is complete
	Last               // nothing ever will: the last line is complete too
)

// State is what a position leaves open. The zero State is the beginning of a line.
type State struct {
	Cut     bool // within a line that comes in pieces
	Dropped bool // of which the first piece was dropped
}

// Counts are what was done to lines.
type Counts struct {
	NotIncluded int64 // lines dropped, for their event matched none of Include
	Excluded    int64 // lines dropped, for their event matched one of Exclude
	Redacted    int64 // events in which something was replaced
	Cut         int64 // lines that came in pieces
	Clipped     int64 // events that the rules made larger than a block, and that were cut off there
}

// Add adds what is counted in o.
func (c *Counts) Add(o Counts) {
	c.NotIncluded += o.NotIncluded
	c.Excluded += o.Excluded
	c.Redacted += o.Redacted
	c.Cut += o.Cut
	c.Clipped += o.Clipped
}

// Maker makes blocks of what one read of a source has brought. It keeps its buffers from one read to the next.
type Maker struct {
	State  State  // at the position that was reached
	Held   bool   // behind it are whole lines of an event that may still grow
	Counts Counts // since Begin

	Source
	ending Ending
	prefix []byte
	out    []byte
}

// Begin begins a read, at a position that has the state.
func (m *Maker) Begin(s Source, state State, ending Ending) {
	m.Source, m.State, m.ending = s, state, ending
	m.Held, m.Counts = false, Counts{}
	if p := s.Processor; p != nil {
		m.prefix = p.prefix.append(m.prefix[:0], &m.Source, time.Now())
	}
}

// Room returns how many bytes beyond its length data must have room for, in Next.
func (s *Source) Room() int { return len(s.CutMark) + 1 }

// Next makes a block of the first lines of data, and appends its payload to dst. size is the number of data's bytes that
// are dealt with, 0 if there is nothing to deliver yet. If they were all dropped, the block has no lines.
//
// A line that comes in pieces begins a block, unless it is the first to be dealt with.
func (m *Maker) Next(dst, data []byte) (d block.Draft, size int) {
	if m.Processor == nil {
		return m.plain(dst, data)
	}
	m.out = m.out[:0]
	for size < len(data) {
		e := m.event(data[size:])
		if e.lines == 0 || e.cut && size > 0 {
			break
		}
		counts, before := m.Counts, len(m.out)
		state := m.apply(data[size:size+e.size], e)
		if before > 0 && len(m.out) > block.TargetRawSize {
			m.Counts, m.out = counts, m.out[:before] // it is the next block's
			break
		}
		m.State = state
		size += e.size
	}
	if len(m.out) > 0 {
		d = block.NewDraft(dst, m.Log, m.out, m.Codec)
	}
	return d, size
}

// plain is Next without rules.
func (m *Maker) plain(dst, data []byte) (d block.Draft, size int) {
	p := cut.Next(data, m.MaxLine, m.ending == Last)
	if p.Size == 0 {
		return d, 0
	}
	if p.Cut && !m.State.Cut {
		m.Counts.Cut++
	}
	m.State = State{Cut: p.Cut}
	return p.Draft(dst, m.Log, data, m.Codec, m.CutMark), p.Size
}

// apply appends what becomes of the event, and returns the state behind it.
func (m *Maker) apply(line []byte, e event) State {
	text, ending := split(line)
	begin := len(m.out)
	switch {
	case m.State.Cut && m.State.Dropped, !m.State.Cut && !m.passes(text, e.lines):
		return State{Cut: e.cut, Dropped: e.cut}
	case !m.State.Cut:
		m.out = append(m.out, m.prefix...)
		if e.cut {
			m.Counts.Cut++
		}
	}
	m.out = append(m.out, m.redacted(text)...)
	if e.cut {
		m.out = append(m.out, m.CutMark...)
	}
	if e.broken {
		ending = newline
	}
	m.out = append(m.out, ending...)
	if len(m.out)-begin > block.MaxRawSize {
		m.Counts.Clipped++
		m.out = append(m.out[:begin+block.MaxRawSize-1], '\n')
	}
	return State{Cut: e.cut}
}

var newline = []byte{'\n'}

// passes says whether an event is delivered, and counts its lines if not.
func (m *Maker) passes(text []byte, lines int) bool {
	p := m.Processor
	switch {
	case len(p.include) > 0 && !matchesAny(p.include, text):
		m.Counts.NotIncluded += int64(lines)
		return false
	case matchesAny(p.exclude, text):
		m.Counts.Excluded += int64(lines)
		return false
	}
	return true
}

func matchesAny(patterns []*regexp.Regexp, text []byte) bool {
	for _, re := range patterns {
		if re.Match(text) {
			return true
		}
	}
	return false
}

// redacted returns the text with everything replaced that is to be.
func (m *Maker) redacted(text []byte) []byte {
	replaced := false
	for _, r := range m.Processor.redact {
		if r.pattern.Match(text) { // most don't, and ReplaceAll makes a copy
			text = r.pattern.ReplaceAll(text, r.with)
			text = text[:min(len(text), block.MaxRawSize)] // what is beyond is clipped anyway
			replaced = true
		}
	}
	if replaced {
		m.Counts.Redacted++
	}
	return text
}
