package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Document is a report. Its texts are plain: every format escapes what it must.
type Document struct {
	Title string
	// Date is when the newest of what is reported was made.
	Date     time.Time
	Lead     []string // paragraphs under the title
	Sections []Section
	// Source is a file that stands at the end as it is, with its name.
	Source, SourceName string
	// Data is all results, for CSV.
	Data Table
}

// Section is a heading with what belongs to it, in this order.
type Section struct {
	Title      string
	Paragraphs []string
	Warnings   []string // reasons for doubt
	Commands   []string // to type
	Tables     []Table
	Forests    []Forest
}

// Table has one row of cells for each of Rows, as many as Columns.
type Table struct {
	Caption string
	Columns []Column
	Rows    [][]Cell
	Note    string
}

// Column is the head of a column; numbers stand to the right.
type Column struct {
	Name   string
	Number bool
}

// Cell is a text in print. Strong marks what survives its test.
type Cell struct {
	Text   string
	Strong bool
}

// Forest is a plot of differences with their intervals on one scale.
type Forest struct {
	Caption string
	Rows    []Bar
}

// Bar is a row of a Forest. Without limits (NaN) only the point is drawn. Text is its
// figures in print.
type Bar struct {
	Label, Text   string
	At, Low, High float64
	Strong        bool
}

// Short is the label as far as a plot has room for it; the tables have all of it.
func (b Bar) Short() string {
	const room = 30
	if runes := []rune(b.Label); len(runes) > room {
		return string(runes[:room-1]) + "…"
	}
	return b.Label
}

// Text makes cells of plain texts.
func Text(texts ...string) []Cell {
	out := make([]Cell, len(texts))
	for i, t := range texts {
		out[i].Text = t
	}
	return out
}

// Formats are the names of the formats of Write.
func Formats() []string { return []string{"html", "pdf", "latex", "md", "csv"} }

// Write writes the document in a format of Formats.
func Write(w io.Writer, d Document, format string) error {
	switch format {
	case "html":
		return writeHTML(w, d)
	case "pdf":
		return writePDF(w, d)
	case "latex":
		return writeLatex(w, d)
	case "md":
		return writeMarkdown(w, d)
	case "csv":
		return writeCSV(w, d)
	}
	return fmt.Errorf("unknown format %q: use one of %s", format, strings.Join(Formats(), ", "))
}
