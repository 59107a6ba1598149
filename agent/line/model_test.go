package line

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestModel gives a Maker random text in random reads, each of which begins where the one before stopped, as a source
// does; now and then the Maker is lost, and another goes on at the position. What comes out must be what a plain loop
// makes of the whole text.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, maxLine := drawRules(t)
		p, err := New(r)
		if err != nil {
			t.Fatal(err)
		}
		src := Source{Processor: p, Log: "log", MaxLine: maxLine, CutMark: rapid.SampledFrom([]string{"", "+"}).Draw(t, "mark"), Host: "h"}
		text := drawText(t)
		var m Maker
		var got []byte
		position, seen := 0, 0
		for position < len(text) {
			// A file grows to end, and is read from the position on.
			end := min(len(text), max(seen, position)+rapid.IntRange(1, 2*p.Window(maxLine)).Draw(t, "growth"))
			seen = end
			ending := More
			if end == len(text) {
				ending = Last
			}
			data := make([]byte, end-position, end-position+src.Room())
			copy(data, text[position:end])
			if !m.State.Cut && rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
				m = Maker{}
			}
			m.Begin(src, m.State, ending)
			for batch := rapid.IntRange(1, 5).Draw(t, "blocks"); batch > 0; batch-- {
				d, n := m.Next(nil, data)
				if n == 0 {
					break
				}
				got = append(got, d.Payload...)
				data = data[n:]
				position += n
			}
		}
		if want := plain(r, src, text); !bytes.Equal(got, want) {
			t.Fatalf("%q became\n%q, want\n%q", text, got, want)
		}
	})
}

func drawRules(t *rapid.T) (Rules, int) {
	var r Rules
	pattern := rapid.SampledFrom([]string{"a", "^b", "c$", "(?m)^ c$", "(?s)a.*b", "\r", "[^a]", "."})
	r.Include = rapid.SliceOfN(pattern, 0, 2).Draw(t, "include")
	r.Exclude = rapid.SliceOfN(pattern, 0, 1).Draw(t, "exclude")
	if rapid.Bool().Draw(t, "redact") {
		r.Redact = []Redaction{{"(a+)b", "<$1>"}, {"c$", ""}}
	}
	switch rapid.IntRange(0, 2).Draw(t, "multiline") {
	case 1:
		r.Multiline.Start = rapid.SampledFrom([]string{"^a", "b$"}).Draw(t, "start")
	case 2:
		r.Multiline.Continue = "^ "
	}
	if r.Multiline != (Multiline{}) {
		r.Multiline.MaxLines = rapid.SampledFrom([]int{1, 2, 3, 500}).Draw(t, "max lines")
		r.Multiline.MaxBytes = rapid.SampledFrom([]int{1, 10, 20, 1000}).Draw(t, "max bytes")
	}
	r.Prefix = rapid.SampledFrom([]string{"", "{host}> "}).Draw(t, "prefix")
	return r, rapid.SampledFrom([]int{3, 8, 1000}).Draw(t, "max line")
}

func drawText(t *rapid.T) []byte {
	piece := rapid.SampledFrom([]string{"a", "b", "c", " ", "\n", "\n", "\n ", "\r\n", "\r", "\x00", "\xff", "aaaaaaaaa"})
	return []byte(strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "text"), ""))
}

// plain does to the whole text what the rules say, one line after the other.
func plain(r Rules, s Source, text []byte) (out []byte) {
	type line struct {
		text, ending string
		size         int
		long, whole  bool
	}
	var all []line
	for l := range strings.Lines(string(text)) {
		body, whole := strings.CutSuffix(l, "\n")
		long := len(body) > s.MaxLine
		ending := "\n"
		if cr, ok := strings.CutSuffix(body, "\r"); ok && whole && !long {
			body, ending = cr, "\r\n"
		}
		all = append(all, line{body, ending, len(l), long, whole})
	}
	begins := func(l line) bool {
		switch {
		case r.Multiline.Start != "":
			return regexp.MustCompile(r.Multiline.Start).MatchString(l.text)
		case r.Multiline.Continue != "":
			return !regexp.MustCompile(r.Multiline.Continue).MatchString(l.text)
		}
		return true
	}
	for len(all) > 0 {
		event, ending, size, lines := all[0].text, all[0].ending, all[0].size, 1
		for !all[0].long && lines < len(all) && lines < r.Multiline.MaxLines {
			l := all[lines]
			if l.long || begins(l) || size+l.size > r.Multiline.MaxBytes {
				break
			}
			event, ending = event+ending+l.text, l.ending
			size += l.size
			lines++
		}
		out = append(out, plainEvent(r, s, event, ending, all[0].long, all[0].whole)...)
		all = all[lines:]
	}
	return out
}

func plainEvent(r Rules, s Source, event, ending string, long, whole bool) (out string) {
	var pieces []string
	for long && len(event) > s.MaxLine {
		pieces, event = append(pieces, event[:s.MaxLine]), event[s.MaxLine:]
	}
	if cr, ok := strings.CutSuffix(event, "\r"); ok && long && whole {
		event, ending = cr, "\r\n"
	}
	pieces = append(pieces, event)
	match := func(patterns []string) bool {
		for _, p := range patterns {
			if regexp.MustCompile(p).MatchString(pieces[0]) {
				return true
			}
		}
		return false
	}
	if len(r.Include) > 0 && !match(r.Include) || match(r.Exclude) {
		return ""
	}
	if r.Prefix != "" {
		out = "h> "
	}
	for i, p := range pieces {
		for _, redact := range r.Redact {
			p = regexp.MustCompile(redact.Pattern).ReplaceAllString(p, redact.With)
		}
		if i < len(pieces)-1 {
			out += p + s.CutMark + "\n"
		} else {
			out += p + ending
		}
	}
	return out
}
