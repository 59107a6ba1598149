package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logscribe/logscribe/internal/latency"
)

// Type is the type of a metric.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Family is one metric, with all values of its labels.
type Family struct {
	Name   string
	Help   string // one sentence or two, with the unit where the name does not tell it
	Type   Type
	Labels []string

	desc *prometheus.Desc
}

// Families are the metrics of one package, in the order in which the documentation lists them.
type Families []*Family

// Counter adds a count that only grows while the program runs.
func (fs *Families) Counter(name, help string, labels ...string) *Family {
	return fs.add(name, help, Counter, labels)
}

// Gauge adds a figure that may grow and shrink.
func (fs *Families) Gauge(name, help string, labels ...string) *Family {
	return fs.add(name, help, Gauge, labels)
}

// Latency adds a histogram of durations, in seconds.
func (fs *Families) Latency(name, help string) *Family { return fs.add(name, help, Histogram, nil) }

func (fs *Families) add(name, help string, t Type, labels []string) *Family {
	f := &Family{Name: name, Help: help, Type: t, Labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
	*fs = append(*fs, f)
	return f
}

// Collector returns a collector of the families that has collect tell their values whenever it is asked; it may be asked
// by several at once.
func (fs Families) Collector(collect func(Sink)) prometheus.Collector {
	return &collector{fs, collect}
}

type collector struct {
	families Families
	collect  func(Sink)
}

func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, f := range c.families {
		descs <- f.desc
	}
}

func (c *collector) Collect(metrics chan<- prometheus.Metric) { c.collect(Sink{metrics}) }

// Sink takes the values of metrics.
type Sink struct{ metrics chan<- prometheus.Metric }

// Put gives the sink a value of a counter or gauge, with the values of the labels in the family's order.
func Put[N int | int64 | uint64 | float64](s Sink, f *Family, value N, labels ...string) {
	t := prometheus.GaugeValue
	if f.Type == Counter {
		t = prometheus.CounterValue
	}
	s.metrics <- prometheus.MustNewConstMetric(f.desc, t, float64(value), labels...)
}

// PutIf gives the sink 1 if it is true, else 0.
func PutIf(s Sink, f *Family, is bool, labels ...string) {
	value := 0
	if is {
		value = 1
	}
	Put(s, f, value, labels...)
}

// PutLatency gives the sink a histogram.
func PutLatency(s Sink, f *Family, h latency.Snapshot) {
	buckets := make(map[float64]uint64, len(latency.Bounds))
	for i, bound := range latency.Bounds {
		buckets[bound.Seconds()] = h.Buckets[i]
	}
	s.metrics <- prometheus.MustNewConstHistogram(f.desc, h.Count, h.Sum.Seconds(), buckets)
}

// BuildInfo returns the family that every program has, of a program by its name in metrics.
func BuildInfo(program string) (Families, *Family) {
	var fs Families
	f := fs.Gauge("logscribe_"+program+"_build_info", "Always 1; the labels say which release runs, and what compiled it.", "version", "goversion")
	return fs, f
}
