package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
)

//go:embed report.html
var htmlText string

var htmlPage = template.Must(template.New("report").Funcs(template.FuncMap{"forest": newDrawing}).Parse(htmlText))

func writeHTML(w io.Writer, d Document) error { return htmlPage.Execute(w, d) }

// drawing is a Forest in pixels.
type drawing struct {
	Forest
	Height, Bottom, TextAt int
	Zero                   string
	Ticks                  []drawnTick
	Bars                   []drawnBar
}

type drawnTick struct{ X, Text string }

type drawnBar struct {
	Bar
	Y                int
	X, From, To      string
	HasLimits, Drawn bool
}

const (
	plotLeft, plotWidth, plotRow = 230, 400, 20
)

func newDrawing(f Forest) drawing {
	s := f.newScale()
	x := func(v float64) string { return fmt.Sprintf("%.1f", plotLeft+plotWidth*s.at(v)) }
	d := drawing{Forest: f, Height: plotRow*len(f.Rows) + 34, Bottom: plotRow*len(f.Rows) + 8, TextAt: plotRow*len(f.Rows) + 24, Zero: x(0)}
	ticks := s.ticks()
	for i, text := range tickTexts(ticks) {
		d.Ticks = append(d.Ticks, drawnTick{x(ticks[i]), text})
	}
	for i, b := range f.Rows {
		bar := drawnBar{Bar: b, Y: plotRow*i + 16, Drawn: !math.IsNaN(b.At), HasLimits: !math.IsNaN(b.Low) && !math.IsNaN(b.High)}
		bar.X, bar.From, bar.To = x(b.At), x(b.Low), x(b.High)
		d.Bars = append(d.Bars, bar)
	}
	return d
}
