package shown

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Float is a value of an answer as a number, if it is one.
func Float(v any) (float64, bool) {
	switch v := v.(type) {
	case Number:
		return float64(v), true
	case int64:
		return float64(v), true
	case int32:
		return float64(v), true
	case int16:
		return float64(v), true
	}
	return 0, false
}

// Numeric says which columns hold numbers and nothing else but nulls.
func (a Answer) Numeric() []bool {
	out := make([]bool, len(a.Columns))
	for i := range a.Columns {
		for _, row := range a.Rows {
			if row[i] == nil {
				continue
			}
			if _, out[i] = Float(row[i]); !out[i] {
				break
			}
		}
	}
	return out
}

// Chart draws the answer in text, width characters wide at most: intervals where it
// has the columns lo and hi, of the number before them; curves of the last number
// where the column step or epoch orders it; else bars of the last number. Columns of
// text name the lines. It is an error if there is nothing to draw.
func (a Answer) Chart(w io.Writer, width int) error {
	numeric := a.Numeric()
	last := -1
	for i, is := range numeric {
		if is {
			last = i
		}
	}
	if last < 0 || len(a.Rows) == 0 {
		return errors.New("there is nothing to draw: the answer has no column of numbers")
	}
	low, high := slices.Index(a.Columns, "lo"), slices.Index(a.Columns, "hi")
	step := slices.IndexFunc(a.Columns, func(c string) bool { return c == "step" || c == "epoch" })
	var err error
	switch {
	case low > 0 && high > 0 && numeric[low] && numeric[high] && numeric[low-1]:
		err = a.bars(w, width, numeric, low-1, low, high)
	case step >= 0 && numeric[step] && step != last:
		err = a.curves(w, width, numeric, step, last)
	default:
		err = a.bars(w, width, numeric, last, -1, -1)
	}
	return err
}

// label is the texts of a row.
func (a Answer) label(row []any, numeric []bool) string {
	var parts []string
	for i, v := range row {
		if !numeric[i] {
			parts = append(parts, Cell(v))
		}
	}
	return strings.Join(parts, " · ")
}

// labelled pads labels to the same width, which leaves room for a chart.
func labelled(labels []string, width int) (padded []string, room int) {
	longest := 0
	for _, l := range labels {
		longest = max(longest, utf8.RuneCountInString(l))
	}
	longest = min(longest, width/2)
	for _, l := range labels {
		if runes := []rune(l); len(runes) > longest {
			l = string(runes[:max(longest-1, 0)]) + "…"
		}
		padded = append(padded, l+strings.Repeat(" ", longest-utf8.RuneCountInString(l)))
	}
	const figure = 13 // of the value, and spaces
	return padded, max(width-longest-figure, 8)
}

// bars draws a value a row from 0, or its interval where low and high are columns.
func (a Answer) bars(w io.Writer, width int, numeric []bool, value, low, high int) error {
	var labels []string
	from, to := math.Inf(1), math.Inf(-1)
	reach := func(v any) {
		if v, ok := Float(v); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			from, to = min(from, v), max(to, v)
		}
	}
	if low < 0 {
		from, to = 0, 0 // a bar begins at nothing
	}
	for _, row := range a.Rows {
		labels = append(labels, a.label(row, numeric))
		reach(row[value])
		if low >= 0 {
			reach(row[low])
			reach(row[high])
		}
	}
	if from >= to {
		to = from + 1
	}
	padded, room := labelled(labels, width)
	place := func(v float64) int { return min(int(math.Round(float64(room-1)*(v-from)/(to-from))), room-1) }
	fmt.Fprintf(w, "%s, %s to %s\n", a.Columns[value], Cell(Number(from)), Cell(Number(to)))
	for i, row := range a.Rows {
		line := []rune(strings.Repeat(" ", room))
		fill := func(a, b float64, r rune) {
			for k := place(min(a, b)); k <= place(max(a, b)); k++ {
				line[k] = r
			}
		}
		v, ok := Float(row[value])
		ok = ok && !math.IsNaN(v) && !math.IsInf(v, 0)
		switch {
		case ok && low >= 0:
			l, lok := Float(row[low])
			h, hok := Float(row[high])
			if lok && hok && !math.IsNaN(l) && !math.IsNaN(h) && !math.IsInf(l, 0) && !math.IsInf(h, 0) {
				fill(l, h, '─')
			}
			if from < 0 && to > 0 && line[place(0)] == ' ' {
				line[place(0)] = '┊'
			}
			line[place(v)] = '●'
		case ok && v != 0:
			fill(0, v, '█')
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s  %s  %s", padded[i], string(line), Cell(row[value])), " ")); err != nil {
			return err
		}
	}
	return nil
}

// curves draws a line for each text, in the order of the steps.
func (a Answer) curves(w io.Writer, width int, numeric []bool, step, value int) error {
	type point struct{ step, value float64 }
	var labels []string
	points := map[string][]point{}
	for _, row := range a.Rows {
		s, ok := Float(row[step])
		v, vok := Float(row[value])
		if !ok || !vok {
			continue
		}
		l := a.label(row, numeric)
		if points[l] == nil {
			labels = append(labels, l)
		}
		points[l] = append(points[l], point{s, v})
	}
	padded, room := labelled(labels, width)
	fmt.Fprintf(w, "%s by %s, each line from its lowest to its highest; the last value\n", a.Columns[value], a.Columns[step])
	for i, l := range labels {
		list := points[l]
		slices.SortStableFunc(list, func(a, b point) int { return cmp.Compare(a.step, b.step) })
		values := make([]float64, len(list))
		for k, p := range list {
			values[k] = p.value
		}
		if _, err := fmt.Fprintf(w, "%s  %s  %s\n", padded[i], Spark(values, room), Cell(Number(values[len(values)-1]))); err != nil {
			return err
		}
	}
	return nil
}
