// Package opstest reads metrics in tests, with the library's own parser and rules.
package opstest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/logscribe/logscribe/internal/ops"
)

// Values are the values of metrics by name and labels, as `name{label="value"}`; those of histograms have the suffixes
// _count and _sum.
type Values map[string]float64

// Gather asks a collector, and fails the test for each of the families that it has not told, but for those named as
// absent.
func Gather(t testing.TB, c prometheus.Collector, families ops.Families, absent ...string) Values {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	told := map[string]bool{}
	for _, name := range absent {
		told[name] = true
	}
	for _, f := range gathered {
		told[f.GetName()] = true
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range families {
		if !told[f.Name] {
			t.Errorf("nothing is told of %s", f.Name)
		}
	}
	return Parse(t, &text)
}

// Parse reads what a program serves, and fails the test if Prometheus' rules are broken.
func Parse(t testing.TB, text io.Reader) Values {
	t.Helper()
	var copied bytes.Buffer
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.TeeReader(text, &copied))
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(&copied).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	values := Values{}
	for name, f := range families {
		for _, m := range f.Metric {
			values.add(name, labels(m), m)
		}
	}
	return values
}

func (v Values) add(name, labels string, m *dto.Metric) {
	switch {
	case m.Counter != nil:
		v[name+labels] = m.Counter.GetValue()
	case m.Gauge != nil:
		v[name+labels] = m.Gauge.GetValue()
	case m.Histogram != nil:
		v[name+"_count"+labels] = float64(m.Histogram.GetSampleCount())
		v[name+"_sum"+labels] = m.Histogram.GetSampleSum()
	}
}

func labels(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.Label {
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if len(pairs) == 0 {
		return ""
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// Sum returns the sum of a metric over all values of its labels.
func (v Values) Sum(name string) (sum float64) {
	for key, value := range v {
		if bare, _, _ := strings.Cut(key, "{"); bare == name {
			sum += value
		}
	}
	return sum
}

// Expect fails the test for each value that is another.
func (v Values) Expect(t testing.TB, want Values) {
	t.Helper()
	for key, value := range want {
		if got, ok := v[key]; !ok || got != value {
			t.Errorf("%s is %v (told: %t), want %v", key, got, ok, value)
		}
	}
}
