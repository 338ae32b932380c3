package web

import (
	"math"
	"strings"
)

// dotplot is a table whose rows have marks on one scale: it says in numbers what
// it draws.
type dotplot struct {
	Title, Text string
	Head        []string // of the columns of numbers
	Rows        []dotRow
	Axis        []tick
	Lines       []string // places of dashed lines
	Keys        []string // what the marks stand for, where a row has several
	Left        int      // rows that are not shown
}

type dotRow struct {
	Name    string
	Verdict string // ok, warn, fail or ""
	Values  []string
	Marks   []intervalBar

	at []dot
}

// dot is a value with its limits, NaN for none.
type dot struct{ value, low, high float64 }

func valueOf(v float64) dot { return dot{v, math.NaN(), math.NaN()} }

// maxDots bounds the rows of a plot.
const maxDots = 60

// add adds a row with a mark for each value.
func (p *dotplot) add(name, verdict string, values []string, at ...dot) {
	if len(p.Rows) == maxDots {
		p.Left++
		return
	}
	p.Rows = append(p.Rows, dotRow{Name: name, Verdict: verdict, Values: values, at: at})
}

// drawn places all marks on a scale that reaches the lines too.
func (p *dotplot) drawn(lines ...float64) *dotplot {
	all := append([]float64(nil), lines...)
	for _, r := range p.Rows {
		for _, d := range r.at {
			all = append(all, d.value, d.low, d.high)
		}
	}
	s := newScale(all...)
	for i := range p.Rows {
		for _, d := range p.Rows[i].at {
			bar := newIntervalBar(s, d.value, d.low, d.high)
			bar.Zero = "" // it is one of the lines
			p.Rows[i].Marks = append(p.Rows[i].Marks, bar)
		}
	}
	for _, v := range lines {
		p.Lines = append(p.Lines, px(s.at(v)))
	}
	for _, v := range s.ticks(3) {
		p.Axis = append(p.Axis, tick{px(s.at(v)), strings.Replace(tickText(v), "-", "−", 1)})
	}
	return p
}
