package web

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/deconfound/deconfound/tracker/shown"
)

// scale maps values to 0 … 100 of a bar's width, or to the pixels of a chart.
type scale struct{ low, high, from, to float64 }

// newScale spans the values that are defined, with a little room, onto 0 … 100.
func newScale(values ...float64) scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		low, high = 0, 1
	}
	room := 0.06 * (high - low)
	if room == 0 {
		room = math.Max(1e-3, 0.05*math.Abs(high))
	}
	return scale{low - room, high + room, 0, 100}
}

func (s scale) at(v float64) float64 {
	return s.from + (s.to-s.from)*(v-s.low)/(s.high-s.low)
}

// px prints a coordinate.
func px(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// ticks are about n round values within the scale.
func (s scale) ticks(n int) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (s.high-s.low)/(m*step) <= float64(n) {
			step *= m
			break
		}
	}
	var out []float64
	for i := math.Ceil(s.low/step - 1e-9); i*step <= s.high+1e-9*step; i++ {
		out = append(out, i*step)
	}
	return out
}

// tickText prints a tick with as many decimals as its step has.
func tickText(v float64) string {
	if v == 0 {
		return "0"
	}
	s := strconv.FormatFloat(v, 'f', 6, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// intervalBar is an estimate with its limits on a scale of 0 … 100.
type intervalBar struct {
	Shown, Limits bool
	At, Low, High string
	Width         string
	Zero          string // place of 0; "" where the scale does not reach it
	Ticks         []tick
}

type tick struct{ At, Text string }

func newIntervalBar(s scale, at, low, high float64) intervalBar {
	b := intervalBar{}
	if math.IsNaN(at) || math.IsInf(at, 0) {
		return b
	}
	b.Shown, b.At = true, px(s.at(at))
	if !math.IsNaN(low) && !math.IsNaN(high) && !math.IsInf(low, 0) && !math.IsInf(high, 0) {
		b.Limits, b.Low, b.High = true, px(s.at(low)), px(s.at(high))
		b.Width = px(s.at(high) - s.at(low))
	}
	if s.low < 0 && s.high > 0 {
		b.Zero = px(s.at(0))
	}
	return b
}

// The size of a chart in the units of its viewBox, about pixels.
const (
	chartWidth  = 380
	chartHeight = 230
	chartLeft   = 46
	chartRight  = 8
	chartTop    = 10
	chartBottom = 32
)

// chart is a plane with lines and points, drawn as SVG.
type chart struct {
	ID       string // unique in the page
	Title    string
	Text     string // what it shows, in words, for who does not see it
	X, Y     string // what the axes are
	Square   bool   // with the diagonal
	XTicks   []tick
	YTicks   []tick
	Series   []series
	Diagonal string
	Bars     []bar

	x, y scale
}

type series struct {
	Name   string
	Style  int    // 0 … 5: colour and dash
	Path   string // of the line; "" draws points alone
	Points []point
	Filled bool // the path encloses an area

	xs, ys []float64
}

type point struct{ X, Y, Text string }

type bar struct{ X, Y, Width, Height, Text string }

func newChart(id, title string, x, y scale) *chart {
	c := &chart{ID: id, Title: title, x: x, y: y}
	c.x.from, c.x.to = chartLeft, chartWidth-chartRight
	c.y.from, c.y.to = chartHeight-chartBottom, chartTop
	for _, v := range c.x.ticks(5) {
		c.XTicks = append(c.XTicks, tick{px(c.x.at(v)), tickText(v)})
	}
	for _, v := range c.y.ticks(5) {
		c.YTicks = append(c.YTicks, tick{px(c.y.at(v)), tickText(v)})
	}
	return c
}

// line adds a series; a value that is not defined parts it. marks also draws its
// points.
func (c *chart) line(name string, xs, ys []float64, marks bool) {
	s := series{Name: name, Style: len(c.Series) % 6, xs: xs, ys: ys}
	var path strings.Builder
	pen := "M"
	for i := range xs {
		if math.IsNaN(ys[i]) || math.IsInf(ys[i], 0) {
			pen = "M"
			continue
		}
		x, y := px(c.x.at(xs[i])), px(c.y.at(ys[i]))
		path.WriteString(pen + x + " " + y)
		pen = "L"
		if marks {
			s.Points = append(s.Points, point{x, y, fmt.Sprintf("%s: %.6g, %.6g", name, xs[i], ys[i])})
		}
	}
	s.Path = path.String()
	c.Series = append(c.Series, s)
}

// stairs adds a series of bins of equal width around the middles xs.
func (c *chart) stairs(name string, xs, ys []float64) {
	c.line(name, xs, ys, false)
	half := (xs[len(xs)-1] - xs[0]) / float64(max(1, len(xs)-1)) / 2
	var path strings.Builder
	path.WriteString("M" + px(c.x.at(xs[0]-half)) + " " + px(c.y.at(0)))
	for i := range xs {
		path.WriteString("V" + px(c.y.at(ys[i])) + "H" + px(c.x.at(xs[i]+half)))
	}
	path.WriteString("V" + px(c.y.at(0)))
	s := &c.Series[len(c.Series)-1]
	s.Path, s.Filled = path.String(), true
}

// maxTabled is how many values of a line the table beside a chart has at most; of
// a longer one every so-manyth and the last.
const maxTabled = 25

// Table says in numbers what the lines draw: a row for each place on the x axis, a
// column for each line. The first row is the header.
func (c *chart) Table() [][]string {
	head := []string{c.X}
	var places []float64
	for _, s := range c.Series {
		head = append(head, s.Name)
		xs := s.xs
		if every := (len(xs) + maxTabled - 1) / maxTabled; every > 1 {
			xs = thin(xs, every)
		}
		places = append(places, xs...)
	}
	slices.Sort(places)
	out := [][]string{head}
	for _, x := range slices.Compact(places) {
		row := []string{shown.Cell(shown.Number(x))}
		for _, s := range c.Series {
			text := ""
			if i := slices.Index(s.xs, x); i >= 0 {
				text = shown.Decimal(s.ys[i])
			}
			row = append(row, text)
		}
		out = append(out, row)
	}
	return out
}

// diagonal draws y = x.
func (c *chart) diagonal() {
	c.Diagonal = "M" + px(c.x.at(0)) + " " + px(c.y.at(0)) + "L" + px(c.x.at(1)) + " " + px(c.y.at(1))
}

// unit is the scale of probabilities.
func unit() scale { return scale{low: 0, high: 1} }
