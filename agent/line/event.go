package line

import "bytes"

// event is the lines that are judged as one.
type event struct {
	size   int  // bytes of the source
	lines  int  // 0 if there is no whole event
	cut    bool // the first piece, or one in the middle, of a line that is longer than the limit
	broken bool // it does not end in a newline: cut, or the end of the source
}

// line returns the first line of data, or the piece of it that is to be delivered, as an event of one line.
func (m *Maker) line(data []byte) event {
	if i := bytes.IndexByte(data[:min(len(data), m.MaxLine+1)], '\n'); i >= 0 {
		return event{size: i + 1, lines: 1}
	}
	switch {
	case len(data) > m.MaxLine:
		return event{size: m.MaxLine, lines: 1, cut: true, broken: true}
	case m.ending == Last && len(data) > 0:
		return event{size: len(data), lines: 1, broken: true}
	}
	return event{}
}

// event returns the first event of data. It sets Held if there are whole lines of one that may still grow.
func (m *Maker) event(data []byte) event {
	e := m.line(data)
	if !m.Processor.joins() || m.State.Cut || e.cut {
		return e
	}
	for e.lines > 0 && e.lines < m.Processor.multiline.MaxLines && !e.broken {
		next := m.line(data[e.size:])
		if next.lines == 0 {
			if m.ending == More {
				m.Held = true
				return event{}
			}
			break
		}
		if next.cut || e.size+next.size > m.Processor.multiline.MaxBytes || m.Processor.begins(data[e.size:e.size+next.size]) {
			break
		}
		e.size += next.size
		e.lines++
		e.broken = next.broken
	}
	return e
}

// begins says whether the line begins an event.
func (p *Processor) begins(line []byte) bool {
	text, _ := split(line)
	if p.start != nil {
		return p.start.Match(text)
	}
	return !p.follows.Match(text)
}

// split parts the line ending from what stands before it.
func split(line []byte) (text, ending []byte) {
	n := len(line)
	switch {
	case bytes.HasSuffix(line, []byte("\r\n")):
		n -= 2
	case bytes.HasSuffix(line, []byte("\n")):
		n--
	}
	return line[:n], line[n:]
}
