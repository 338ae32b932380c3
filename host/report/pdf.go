package report

import (
	"io"
	"math"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
)

// In millimetres.
const (
	pdfMargin = 15.0
	pdfLine   = 4.6
)

// printer is a PDF on its way.
type printer struct {
	*fpdf.Fpdf
	width float64 // between the margins
}

func writePDF(w io.Writer, d Document) error {
	p := printer{Fpdf: fpdf.New("P", "mm", "A4", "")}
	p.AddUTF8FontFromBytes("go", "", goregular.TTF)
	p.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	p.AddUTF8FontFromBytes("mono", "", gomono.TTF)
	p.SetTitle(d.Title, true)
	p.SetCreator("deconfound", true)
	date := d.Date.UTC()
	if d.Date.IsZero() {
		date = time.Unix(0, 0).UTC()
	}
	p.SetCreationDate(date)
	p.SetModificationDate(date)
	p.SetCatalogSort(true)
	p.SetMargins(pdfMargin, pdfMargin, pdfMargin)
	p.SetAutoPageBreak(true, pdfMargin)
	p.AddPage()
	page, _ := p.GetPageSize()
	p.width = page - 2*pdfMargin

	p.text("B", 18, d.Title)
	if !d.Date.IsZero() {
		p.text("", 9, date.Format("2006-01-02 15:04")+" UTC")
	}
	for _, t := range d.Lead {
		p.text("", 10, t)
	}
	for _, s := range d.Sections {
		p.room(50)
		p.Ln(3)
		p.text("B", 13, s.Title)
		for _, t := range s.Paragraphs {
			p.text("", 10, t)
		}
		for _, t := range s.Warnings {
			p.text("", 9, "! "+t)
		}
		for _, t := range s.Commands {
			p.mono(9, t)
		}
		for _, t := range s.Tables {
			p.table(t)
		}
		for _, f := range s.Forests {
			p.forest(f)
		}
	}
	if d.Source != "" {
		p.room(20)
		p.Ln(3)
		p.text("B", 13, d.SourceName)
		p.mono(7.5, d.Source)
	}
	return p.Output(w)
}

// drawn replaces what the fonts lack: everything beyond the basic plane and control
// characters.
func drawn(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' && r != '\n', r > 0xffff:
			return '\uFFFD'
		}
		return r
	}, s)
}

func (p printer) text(style string, size float64, s string) {
	p.SetFont("go", style, size)
	p.MultiCell(p.width, size*.47, drawn(s), "", "L", false)
	p.Ln(1)
}

func (p printer) mono(size float64, s string) {
	p.SetFont("mono", "", size)
	p.MultiCell(p.width, size*.45, drawn(strings.TrimRight(s, "\n")), "", "L", false)
	p.Ln(1)
}

// room begins a new page unless so much is left.
func (p printer) room(height float64) {
	_, page := p.GetPageSize()
	if p.GetY()+height > page-pdfMargin {
		p.AddPage()
	}
}

// table takes the largest font in which the columns fit; a column of words may wrap.
func (p printer) table(t Table) {
	p.room(6 * pdfLine)
	p.text("B", 9, t.Caption)
	const gap = 3.0
	size, widths := 8.5, make([]float64, len(t.Columns))
	for {
		total := 0.0
		for i, c := range t.Columns {
			p.SetFont("go", "B", size)
			widths[i] = p.GetStringWidth(drawn(c.Name))
			for _, row := range t.Rows {
				widths[i] = max(widths[i], p.GetStringWidth(drawn(row[i].Text)))
			}
			widths[i] += gap
			total += widths[i]
		}
		if total <= p.width {
			break
		}
		if size -= .5; size >= 5 {
			continue
		}
		size = 7
		p.shrink(t, widths, size, gap)
		break
	}
	line, width := size*.5, 0.0
	for _, w := range widths {
		width += w
	}
	head := func() {
		p.rule(.4, width)
		p.row(t, widths, line, size, headCells(t))
		p.rule(.2, width)
	}
	head()
	_, page := p.GetPageSize()
	groups := t.groups()
	for i, row := range t.Rows {
		if p.GetY()+p.height(widths, line, size, row) > page-pdfMargin {
			p.rule(.2, width)
			p.AddPage()
			head()
		} else if groups && i > 0 && row[0].Text != t.Rows[i-1][0].Text {
			p.Ln(line / 3)
		}
		p.row(t, widths, line, size, row)
	}
	p.rule(.4, width)
	p.Ln(1)
	if t.Note != "" {
		p.text("", 8, t.Note)
	}
	p.Ln(2)
}

func headCells(t Table) []Cell {
	out := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = Cell{c.Name, true}
	}
	return out
}

// shrink makes the widest columns narrower until all fit, in which texts then wrap.
func (p printer) shrink(t Table, widths []float64, size, gap float64) {
	p.SetFont("go", "B", size)
	for i, c := range t.Columns {
		widths[i] = p.GetStringWidth(drawn(c.Name)) + gap
		for _, row := range t.Rows {
			widths[i] = max(widths[i], p.GetStringWidth(drawn(row[i].Text))+gap)
		}
	}
	for {
		total, widest := 0.0, 0
		for i, w := range widths {
			total += w
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= p.width || widths[widest] < 12 {
			return
		}
		widths[widest] -= min(total-p.width, widths[widest]*.1)
	}
}

// height is that of a row whose texts wrap.
func (p printer) height(widths []float64, line, size float64, row []Cell) float64 {
	lines := 1
	for i, c := range row {
		p.SetFont("go", style(c), size)
		lines = max(lines, len(p.SplitText(drawn(c.Text), widths[i])))
	}
	return float64(lines) * line
}

func (p printer) row(t Table, widths []float64, line, size float64, row []Cell) {
	height, x, y := p.height(widths, line, size, row), pdfMargin, p.GetY()
	for i, c := range row {
		align := "L"
		if t.Columns[i].Number {
			align = "R"
		}
		p.SetFont("go", style(c), size)
		p.SetXY(x, y)
		p.MultiCell(widths[i], line, drawn(c.Text), "", align, false)
		x += widths[i]
	}
	p.SetXY(pdfMargin, y+height)
}

func style(c Cell) string {
	if c.Strong {
		return "B"
	}
	return ""
}

// rule is a line of a thickness across a table.
func (p printer) rule(thick, width float64) {
	p.SetLineWidth(thick)
	p.Line(pdfMargin, p.GetY()+.3, pdfMargin+width, p.GetY()+.3)
	p.SetY(p.GetY() + .8)
}

func (p printer) forest(f Forest) {
	s := f.newScale()
	ticks := s.ticks()
	texts := tickTexts(ticks)
	const left, width = 60.0, 70.0
	for from := 0; from < len(f.Rows); from += forestPage {
		rows := f.Rows[from:min(from+forestPage, len(f.Rows))]
		p.room(float64(len(rows))*pdfLine + 18)
		p.text("B", 9, f.Caption)
		top := p.GetY()
		bottom := top + float64(len(rows))*pdfLine
		at := func(v float64) float64 { return pdfMargin + left + width*s.at(v) }
		p.SetFont("go", "", 7.5)
		p.SetLineWidth(.1)
		p.SetDrawColor(190, 190, 190)
		for i, v := range ticks {
			p.Line(at(v), top, at(v), bottom)
			p.Text(at(v)-p.GetStringWidth(texts[i])/2, bottom+3.5, texts[i])
		}
		p.SetDrawColor(0, 0, 0)
		p.SetDashPattern([]float64{1, 1}, 0)
		p.Line(at(0), top, at(0), bottom)
		p.SetDashPattern(nil, 0)
		for i, r := range rows {
			y := top + (float64(i)+.5)*pdfLine
			p.SetFont("go", style(Cell{Strong: r.Strong}), 7.5)
			p.Text(pdfMargin, y+1, drawn(r.Short()))
			p.Text(pdfMargin+left+width+3, y+1, drawn(r.Text))
			p.SetLineWidth(.35)
			if !math.IsNaN(r.Low) && !math.IsNaN(r.High) {
				p.Line(at(r.Low), y, at(r.High), y)
			}
			if !math.IsNaN(r.At) {
				p.Circle(at(r.At), y, .8, "F")
			}
		}
		p.SetY(bottom + 6)
	}
}
