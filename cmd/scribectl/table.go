package main

import (
	"strings"
	"unicode/utf8"
)

// column is one of a table. Numbers stand at the right. One that may be clipped loses what does not fit, in the middle.
type column struct {
	title string
	right bool
	least int // the width to which it may be clipped; 0 if it may not
}

// table is rows of cells, some with notes below.
type table struct {
	columns []column
	rows    []row
}

type row struct {
	cells []string
	notes []string // whole lines below it
}

// gap stands between two columns.
const gap = "  "

func (t *table) add(cells []string, notes ...string) { t.rows = append(t.rows, row{cells, notes}) }

// lines returns the table, no line wider than width unless that is 0, or too small for what may not be clipped.
func (t *table) lines(width int) []string {
	widths := t.widths(width)
	var titles []string
	for _, c := range t.columns {
		titles = append(titles, c.title)
	}
	lines := []string{t.line(titles, widths)}
	for _, r := range t.rows {
		lines = append(lines, t.line(r.cells, widths))
		for _, note := range r.notes {
			lines = append(lines, wrap(note, width)...)
		}
	}
	return lines
}

// widths returns how wide the columns are.
func (t *table) widths(width int) []int {
	widths := make([]int, len(t.columns))
	total := (len(widths) - 1) * len(gap)
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.title)
		for _, r := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r.cells[i]))
		}
		total += widths[i]
	}
	for width > 0 && total > width { // the widest of those that may be clipped loses one
		widest := -1
		for i, c := range t.columns {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

func (t *table) line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteString(gap)
		}
		cell = clip(cell, widths[i])
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if t.columns[i].right {
			b.WriteString(padding + cell)
		} else {
			b.WriteString(cell + padding)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// clip takes what is too much out of the middle: names differ at their ends.
func clip(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	if width < 3 {
		return string(runes[:width])
	}
	head := (width - 1) / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(width-1-head):])
}

// noteIndent stands before the lines below a row.
const noteIndent = "  "

// wrap breaks a text into indented lines.
func wrap(text string, width int) []string {
	var lines []string
	line := noteIndent
	for word := range strings.FieldsSeq(text) {
		if line != noteIndent && width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = noteIndent
		}
		if line != noteIndent {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
