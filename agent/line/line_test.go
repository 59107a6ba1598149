package line

import (
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/race"
)

// run makes blocks of the whole text at once, and returns what their lines are and how many bytes are left.
func run(t testing.TB, r Rules, maxLine int, mark, text string, ending Ending) (out string, rest int, counts Counts) {
	t.Helper()
	p, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	var m Maker
	src := Source{Processor: p, Log: "web/app", MaxLine: maxLine, CutMark: mark, Host: "h1", File: "/var/log/app.log"}
	m.Begin(src, State{}, ending)
	data := make([]byte, len(text), len(text)+src.Room())
	copy(data, text)
	for {
		d, n := m.Next(nil, data)
		if n == 0 {
			return out, len(data), m.Counts
		}
		if d.RawSize > block.MaxRawSize {
			t.Fatalf("a block of %d bytes", d.RawSize)
		}
		out += string(d.Payload)
		data = data[n:]
	}
}

func TestRules(t *testing.T) {
	start := Multiline{Start: `^\d`}
	for name, c := range map[string]struct {
		rules   Rules
		maxLine int
		mark    string
		text    string
		ending  Ending
		want    string
		rest    int
		counts  Counts
	}{
		"include":                      {rules: Rules{Include: []string{"a", "b"}}, text: "a\nc\nb\n", want: "a\nb\n", counts: Counts{NotIncluded: 1}},
		"exclude":                      {rules: Rules{Exclude: []string{"a", "b"}}, text: "a\nc\nb\n", want: "c\n", counts: Counts{Excluded: 2}},
		"include, then exclude":        {rules: Rules{Include: []string{"a"}, Exclude: []string{"b"}}, text: "a\nb\nab\n", want: "a\n", counts: Counts{NotIncluded: 1, Excluded: 1}},
		"redact":                       {rules: Rules{Redact: []Redaction{{`(\w+)=\S+`, "$1=*"}}}, text: "x pw=abc t=1\nno\n", want: "x pw=* t=*\nno\n", counts: Counts{Redacted: 1}},
		"redactions follow":            {rules: Rules{Redact: []Redaction{{"a", "b"}, {"b", "c"}}}, text: "a\n", want: "c\n", counts: Counts{Redacted: 1}},
		"redact sees what exclude saw": {rules: Rules{Exclude: []string{"secret"}, Redact: []Redaction{{"secret", "x"}}}, text: "secret\n", want: "", counts: Counts{Excluded: 1}},
		"a line of nothing":            {rules: Rules{Redact: []Redaction{{".+", ""}}}, text: "secret\n\n", want: "\n\n", counts: Counts{Redacted: 1}},
		"prefix":                       {rules: Rules{Prefix: "{host} {file} {name} {stem} {dir} {log}: "}, text: "a\nb\n", want: "h1 /var/log/app.log app.log app log web/app: a\nh1 /var/log/app.log app.log app log web/app: b\n"},
		"CRLF":                         {rules: Rules{Include: []string{"a$"}, Redact: []Redaction{{"a$", "b"}}}, text: "a\r\nab\r\n\ra\r\n", want: "b\r\n\rb\r\n", counts: Counts{NotIncluded: 1, Redacted: 2}},
		"invalid UTF-8 and NUL":        {rules: Rules{Exclude: []string{"no"}}, text: "\xff\x00\xc3\n", want: "\xff\x00\xc3\n"},
		"an unfinished line":           {rules: Rules{Exclude: []string{"no"}}, text: "a\nb", want: "a\n", rest: 1},
		"the last line":                {rules: Rules{Exclude: []string{"no"}}, text: "a\nb", ending: Last, want: "a\nb\n"},
		"a last CR":                    {rules: Rules{Exclude: []string{"no"}}, text: "b\r", ending: Last, want: "b\r\n"},

		"events":                   {rules: Rules{Multiline: start}, text: "1 a\n x\n2 b\n y\n", want: "1 a\n x\n", rest: 7},
		"events, idle":             {rules: Rules{Multiline: start}, text: "1 a\n x\n2 b\n y\n", ending: Idle, want: "1 a\n x\n2 b\n y\n"},
		"idle, an unfinished line": {rules: Rules{Multiline: start}, text: "1 a\n x\n y", ending: Idle, want: "1 a\n x\n", rest: 2},
		"the last event":           {rules: Rules{Multiline: start, Prefix: "> "}, text: "1 a\n x\n y", ending: Last, want: "> 1 a\n x\n y\n"},
		"events that continue":     {rules: Rules{Multiline: Multiline{Continue: `^\s`}, Prefix: "> "}, text: "a\n x\nb\nc\n y\nd", want: "> a\n x\n> b\n", rest: 6},
		"no beginning":             {rules: Rules{Multiline: start, Prefix: "> "}, text: " x\n y\n1\n2\n", want: ">  x\n y\n> 1\n", rest: 2},
		"events are judged whole":  {rules: Rules{Multiline: start, Include: []string{`(?s)a.*x`}}, text: "1 a\n x\n2 a\n3 a\n x\n4\n", want: "1 a\n x\n3 a\n x\n", rest: 2, counts: Counts{NotIncluded: 1}},
		"dropped lines of events":  {rules: Rules{Multiline: start, Exclude: []string{`x$`}}, text: "1 a\n x\n2\n3\n", want: "2\n", rest: 2, counts: Counts{Excluded: 2}},
		"redact across lines":      {rules: Rules{Multiline: start, Redact: []Redaction{{`(?s)key.*end`, "*"}}}, text: "1 key\nabc\nend.\n2\n", want: "1 *.\n", rest: 2, counts: Counts{Redacted: 1}},
		"max_lines":                {rules: Rules{Multiline: Multiline{Start: `^\d`, MaxLines: 2}, Prefix: "> "}, text: "1\n a\n b\n c\n d\n2\n", want: "> 1\n a\n>  b\n c\n>  d\n", rest: 2},
		"max_bytes":                {rules: Rules{Multiline: Multiline{Start: `^\d`, MaxBytes: 6}, Prefix: "> "}, text: "1\n a\n b\n2\n", want: "> 1\n a\n>  b\n", rest: 2},

		"a long line":                    {rules: Rules{Prefix: "> "}, maxLine: 4, mark: "…", text: "a\n123456789\nb\n", want: "> a\n> 1234…\n5678…\n9\n> b\n", counts: Counts{Cut: 1}},
		"a long line, so far":            {rules: Rules{Prefix: "> "}, maxLine: 4, text: "12345678", want: "> 1234\n", rest: 4, counts: Counts{Cut: 1}},
		"a long line, no rules":          {maxLine: 4, mark: "…", text: "a\n123456789\nb\n", want: "a\n1234…\n5678…\n9\nb\n", counts: Counts{Cut: 1}},
		"a long last line":               {maxLine: 4, mark: "…", text: "123456789", ending: Last, want: "1234…\n5678…\n9\n", counts: Counts{Cut: 1}},
		"judged by its first piece, out": {rules: Rules{Exclude: []string{"a"}}, maxLine: 4, text: "1a345678901\n2\n12345a\n", want: "2\n1234\n5a\n", counts: Counts{Excluded: 1, Cut: 1}},
		"judged by its first piece, in":  {rules: Rules{Include: []string{"a"}}, maxLine: 4, text: "1a345678901\n2\n12345a\n", want: "1a34\n5678\n901\n", counts: Counts{NotIncluded: 2, Cut: 1}},
		"each piece is redacted":         {rules: Rules{Redact: []Redaction{{"a", "b"}}}, maxLine: 4, text: "1a345a\n", want: "1b34\n5b\n", counts: Counts{Redacted: 2, Cut: 1}},
		"a long line ends an event":      {rules: Rules{Multiline: start, Prefix: "> "}, maxLine: 4, text: "1\n a\n long\n b\n2\n", want: "> 1\n a\n>  lon\ng\n>  b\n", rest: 2, counts: Counts{Cut: 1}},
	} {
		if c.maxLine == 0 {
			c.maxLine = 1000
		}
		out, rest, counts := run(t, c.rules, c.maxLine, c.mark, c.text, c.ending)
		if out != c.want || rest != c.rest || counts != c.counts {
			t.Errorf("%s: got %q, %d left, %+v\nwant %q, %d left, %+v", name, out, rest, counts, c.want, c.rest, c.counts)
		}
	}
}

func TestPrefixTime(t *testing.T) {
	before := time.Now().Add(-time.Millisecond)
	out, _, _ := run(t, Rules{Prefix: "{time} "}, 100, "", "a\n", More)
	at, err := time.Parse(time.RFC3339, strings.Fields(out)[0])
	if err != nil || at.Before(before) || at.After(time.Now()) || !strings.HasSuffix(out, "Z a\n") {
		t.Errorf("got %q: %v", out, err)
	}
}

// TestEventsStayInOneBlock: larger than the target or not.
func TestEventsStayInOneBlock(t *testing.T) {
	p, err := New(Rules{
		Multiline: Multiline{Start: "^1", MaxLines: 1 << 30, MaxBytes: MaxEvent}, Redact: []Redaction{{"^1", "1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Repeat(" "+strings.Repeat("x", 98)+"\n", 1000)
	event := "1\n" + part
	text := event + event + event + "1 large\n" + strings.Repeat(part, 20) + event + "1\n"
	var m Maker
	m.Begin(Source{Processor: p, MaxLine: 1000}, State{}, More)
	var sizes []int
	for data := []byte(text); ; {
		d, n := m.Next(nil, data)
		if n == 0 {
			break
		}
		if !strings.HasPrefix(string(d.Payload), "1") {
			t.Fatalf("block %d begins in the middle of an event", len(sizes)+1)
		}
		data, sizes = data[n:], append(sizes, n)
	}
	if len(sizes) != 4 || sizes[0] != 2*len(event) || sizes[1] != len(event) || sizes[2] < 20*len(part) {
		t.Errorf("blocks of %d", sizes)
	}
	if m.Counts.Redacted != 5 {
		t.Errorf("%d of 5 events are counted", m.Counts.Redacted)
	}
}

func TestWhatRulesMakeTooLargeIsClipped(t *testing.T) {
	text := strings.Repeat("x", 1<<20) + "\nnext\n"
	out, _, counts := run(t, Rules{Redact: []Redaction{{"x", "1234567"}}}, 1<<20, "", text, More)
	if next := "\nne1234567t\n"; len(out) != block.MaxRawSize+len(next)-1 || counts.Clipped != 1 || !strings.HasSuffix(out, next) {
		t.Errorf("%d bytes, %+v, ending in %q", len(out), counts, out[len(out)-20:])
	}
}

func TestNoRulesNoProcessor(t *testing.T) {
	if p, err := New(Rules{}); p != nil || err != nil {
		t.Errorf("got %v, %v", p, err)
	}
	if p := (*Processor)(nil); p.Timeout() != 0 || p.Window(10) != 11 {
		t.Error("a nil Processor waits")
	}
}

func TestMistakes(t *testing.T) {
	for want, r := range map[string]Rules{
		`include: bad regular expression "(": missing closing ): ` + "`(`":                {Include: []string{"("}},
		`exclude: an empty regular expression matches everything`:                         {Exclude: []string{""}},
		`redact: bad regular expression "["`:                                              {Redact: []Redaction{{"[", "x"}}},
		`redact: "a\nb" has a line break: it would make one line two`:                     {Redact: []Redaction{{"x", "a\nb"}}},
		`redact: "$1_x" stands for a group that the pattern "(a)" doesn't have`:           {Redact: []Redaction{{"(a)", "$1_x"}}},
		`redact: "${n}" stands for a group`:                                               {Redact: []Redaction{{"(a)", "${n}"}}},
		`multiline: start and continue don't go together`:                                 {Multiline: Multiline{Start: "a", Continue: "b"}},
		`multiline: neither start nor continue is set`:                                    {Multiline: Multiline{MaxLines: 1}},
		`multiline: bad regular expression`:                                               {Multiline: Multiline{Continue: "*"}},
		`multiline: 0 lines, 4194304 bytes`:                                               {Multiline: Multiline{Start: "a", MaxBytes: 4 << 20}},
		`prefix: "{hots}": unknown placeholder {hots}: use {time}, {host}, {log}, {file}`: {Prefix: "{hots}"},
		`prefix: "a}" has a } without a {`:                                                {Prefix: "a}"},
		`prefix: "{a" has a { without a }`:                                                {Prefix: "{a"},
	} {
		if _, err := New(r); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	for _, ok := range []Redaction{{"(a)(?P<n>b)", "$1 ${2} $n ${n}x $$ $ $."}, {"a", "$0 ${0}"}} {
		if err := ok.Check(); err != nil {
			t.Error(err)
		}
	}
	if err := CheckStreamPrefix("{host} {file}"); err == nil || err.Error() != `"{host} {file}": standard input has no {file}: use {host}, {log} or {time}` {
		t.Errorf("got %v", err)
	}
	if err := CheckMaxLine(4 << 20); err == nil || err.Error() != "bad size 4MiB: use 1B to 3MiB; a block holds 4MiB, with all that is added to its lines" {
		t.Errorf("got %v", err)
	}
}

// TestNothingIsAllocated: neither for a line nor for a block, once the buffers are there.
func TestNothingIsAllocated(t *testing.T) {
	if race.Enabled {
		t.Skip("with the race detector pools of memory forget things at random")
	}
	text := []byte(strings.Repeat("2026-01-01 INFO GET /index.html\r\n at x\n2026-01-01 INFO GET /healthz\n", 500))
	p, err := New(Rules{
		Include: []string{"INFO|WARN"}, Exclude: []string{"/healthz$"}, Redact: []Redaction{{"password=.*", "x"}},
		Multiline: Multiline{Start: `^\d{4}-`}, Prefix: "{host} {file} ",
	})
	if err != nil {
		t.Fatal(err)
	}
	var m Maker
	payload := make([]byte, 0, 1<<20)
	if n := testing.AllocsPerRun(20, func() {
		m.Begin(Source{Processor: p, MaxLine: 1000, Host: "h", File: "/a/b"}, State{}, More)
		for data := text; ; {
			_, n := m.Next(payload, data)
			if n == 0 {
				break
			}
			data = data[n:]
		}
	}); n > 0 {
		t.Errorf("%v allocations for 1500 lines", n)
	}
}

func BenchmarkNext(b *testing.B) {
	text := []byte(strings.Repeat("2026-01-01T00:00:00Z INFO request 4711 served in 12 ms for user af31\n", 4000))
	for _, c := range []struct {
		name  string
		rules Rules
	}{
		{"none", Rules{}},
		{"exclude", Rules{Exclude: []string{"GET /healthz"}}},
		{"include", Rules{Include: []string{"INFO|WARN"}}},
		{"redact", Rules{Redact: []Redaction{{"user [0-9a-f]+", "user ***"}}}},
		{"multiline", Rules{Multiline: Multiline{Start: `^\d{4}-`}}},
		{"prefix", Rules{Prefix: "{time} {host}: "}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := New(c.rules)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var m Maker
			payload := make([]byte, 0, 2<<20)
			for b.Loop() {
				m.Begin(Source{Processor: p, MaxLine: 1 << 20, Host: "web-7"}, State{}, Idle)
				for data := text; len(data) > 0; {
					_, n := m.Next(payload, data)
					data = data[n:]
				}
			}
		})
	}
}
