package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// The plot is one picture, charts of horizontal bars below each other: everything in pixels.
const (
	plotWidth  = 860
	labelWidth = 170 // left of the bars
	valueWidth = 190 // right of the longest bar
	barHeight  = 22
	barGap     = 8
	chartTop   = 52 // title and space
)

// Colours that also those tell apart who see few; the first is ours.
var plotColours = []string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"}

const peerColour = "#9aa0a6"

// bar is one form in a chart: parts beside each other, and the least and most of their sum.
type bar struct {
	label    string
	parts    []float64
	min, max float64
	value    string
	colours  []string
}

// chart is bars of one unit. Its names say what the parts of the bars are, in the colours of those.
type chart struct {
	title string
	names []string
	bars  []bar
}

// plot draws the report as SVG.
func (r *report) plot() []byte {
	charts := []chart{r.rateChart(), r.cpuChart(), r.latencyChart()}
	height := 46
	var body bytes.Buffer
	for _, c := range charts {
		if len(c.bars) > 0 {
			c.draw(&body, height)
			height += chartTop + len(c.bars)*(barHeight+barGap) + 20
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n",
		plotWidth, height, plotWidth, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	text(&out, 16, 28, `font-size="14" fill="#555555"`, fmt.Sprintf("%s lines of %.0f bytes, %d CPUs (%s), medians; whiskers: least and most",
		grouped(float64(r.Input.Lines)), float64(r.Input.Bytes)/float64(r.Input.Lines), r.System.CPUs, r.System.Processor))
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func (r *report) rateChart() chart {
	c := chart{title: "Lines a second (longer is better)"}
	for _, f := range r.timed() {
		s := f.spread(lineRate)
		c.bars = append(c.bars, bar{f.Name, []float64{s.Median}, s.Min, s.Max, grouped(s.Median), []string{f.colour()}})
	}
	return c
}

// cpuChart shows our programs apart; the parts are medians, so that they need not add up to the median of the sums.
func (r *report) cpuChart() chart {
	c := chart{title: "CPU seconds per million lines, all programs (shorter is better)"}
	for _, f := range r.timed() {
		if f.Name == "copy" {
			continue // the kernel syncs without a process to count it for
		}
		s := f.spread(perMillion)
		b := bar{label: f.Name, min: s.Min, max: s.Max, value: fmt.Sprintf("%.2f", s.Median), colours: []string{peerColour, "#c4c8cc"}}
		if f.Ours {
			b.colours = plotColours
			c.names = nil
		}
		for i, u := range f.Runs[0].Programs {
			b.parts = append(b.parts, f.spread(programCPUPerMillion(i)).Median)
			if f.Ours {
				c.names = append(c.names, u.Program)
			}
		}
		c.bars = append(c.bars, b)
	}
	return c
}

func (r *report) latencyChart() chart {
	c := chart{title: "Latency of a single line in ms: p50, and p99 behind it (shorter is better)"}
	for _, f := range r.live() {
		p50 := f.spread(func(r run) float64 { return r.Latency.P50 })
		p99 := f.spread(func(r run) float64 { return r.Latency.P99 })
		c.bars = append(c.bars, bar{f.Name, []float64{p50.Median, p99.Median - p50.Median}, p99.Min, p99.Max,
			fmt.Sprintf("%.2f / %.2f", p50.Median, p99.Median), []string{f.colour(), "#d5dbe1"}})
	}
	return c
}

func (f *results) colour() string {
	if f.Ours {
		return plotColours[0]
	}
	return peerColour
}

// draw draws the chart from y on.
func (c chart) draw(out *bytes.Buffer, y int) {
	text(out, 16, y+20, `font-size="16" font-weight="bold"`, c.title)
	x := labelWidth
	for i, name := range c.names {
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="11" height="11" fill="%s"/>`+"\n", x, y+30, plotColours[i%len(plotColours)])
		text(out, x+16, y+40, `font-size="12" fill="#555555"`, name)
		x += 100
	}
	most := 0.0
	for _, b := range c.bars {
		most = math.Max(most, b.max)
	}
	scale := 0.0
	if most > 0 {
		scale = float64(plotWidth-labelWidth-valueWidth) / most
	}
	for i, b := range c.bars {
		b.draw(out, y+chartTop+i*(barHeight+barGap), scale)
	}
}

func (b bar) draw(out *bytes.Buffer, y int, scale float64) {
	text(out, labelWidth-8, y+16, `text-anchor="end"`, b.label)
	x := float64(labelWidth)
	for i, part := range b.parts {
		fmt.Fprintf(out, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, y, part*scale, barHeight, b.colours[i%len(b.colours)])
		x += part * scale
	}
	left, right, middle := labelWidth+b.min*scale, labelWidth+b.max*scale, y+barHeight/2
	fmt.Fprintf(out, `<path d="M%.1f %dH%.1fM%.1f %dv8M%.1f %dv8" stroke="#222222" fill="none"/>`+"\n",
		left, middle, right, left, middle-4, right, middle-4)
	text(out, int(math.Max(right, x))+8, y+16, "", b.value)
}

func text(out *bytes.Buffer, x, y int, attributes, s string) {
	fmt.Fprintf(out, `<text x="%d" y="%d" %s>`, x, y, attributes)
	_ = xml.EscapeText(out, []byte(s)) // a buffer takes it
	out.WriteString("</text>\n")
}
