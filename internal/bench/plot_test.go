package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// sample is a report as of two runs of each kind of form.
func sample() *report {
	programs := []usage{{"agent", 1, 1 << 20}, {"scribe", 0.5, 2 << 20}, {"mediator", 0.25, 3 << 20}}
	r := &report{System: system{CPUs: 2, Processor: "A <fast> & cheap one"}, Input: inputFacts{Lines: 1_000_000, Bytes: 149_000_000}}
	for _, seconds := range []float64{2, 4} {
		r.add(form{name: "copy"}, run{Seconds: seconds / 4, Lines: 1e6, Bytes: 149e6, Programs: programs[:1]})
		r.add(form{name: "plain", ours: true}, run{Seconds: seconds, Lines: 1e6, Bytes: 149e6, Programs: programs})
		r.add(form{name: "other"}, run{Seconds: 10 * seconds, Lines: 1e6, Bytes: 149e6, Programs: programs[:2], Difference: difference{Missing: 2}})
		r.add(form{name: "latency", ours: true}, run{Lines: 10, Bytes: 1490, Programs: programs,
			Latency: &latency{Lines: 10, P50: 1, P90: 2, P99: 3, Max: 4}, Load: &load{Doing: "nothing", Seconds: 10, Programs: []share{{"agent", 0.1}}}})
	}
	return r
}

func TestPlotIsWellFormed(t *testing.T) {
	picture := sample().plot()
	elements := 0
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; elements++ {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
	}
	if elements < 50 {
		t.Errorf("only %d elements", elements)
	}
	for _, want := range []string{"A &lt;fast&gt; &amp; cheap one", ">plain<", ">latency<", ">mediator<"} {
		if !bytes.Contains(picture, []byte(want)) {
			t.Errorf("%q is not in it", want)
		}
	}
	if bytes.Contains(picture, []byte("NaN")) {
		t.Error("a number in it is none")
	}
}

func TestPlotOfNothing(t *testing.T) {
	r := &report{Input: inputFacts{Lines: 1, Bytes: 1}}
	if err := xml.Unmarshal(r.plot(), new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestTables(t *testing.T) {
	var out strings.Builder
	sample().print(&out)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"| plain | 2 | 3.00 (2.00–4.00) | 375,000 (250,000–500,000) | 56 (37–74) | 4.00 | 1.75 (1.75–1.75) | none |",
		"| other | 2 | 30.00 (20.00–40.00) | 37,500 (25,000–50,000) | 6 (4–7) | 40.00 | 1.50 (1.50–1.50) | 4 missing |",
		"| plain | 10.0 |", // times as fast as the other
		"| latency | 2 | 10 | 1.00 (1.00–1.00) |",
		"| latency | nothing | 10 | agent | 0.100 (0.100–0.100) | none |",
		"| plain | scribe | 0.50 (0.50–0.50) | 0.500 (0.500–0.500) | 2.0 (2.0–2.0) |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestFailure(t *testing.T) {
	r := sample()
	if err := r.failure(); err != nil {
		t.Errorf("lines that a peer lost: %v", err)
	}
	r.of("plain").Runs[1].Difference.Repeated = 1
	if err := r.failure(); err == nil || !strings.Contains(err.Error(), "run 2 of plain: lines 1 repeated") {
		t.Errorf("got %v", err)
	}
}
