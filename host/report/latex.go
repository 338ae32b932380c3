package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
)

// latexText escapes what LaTeX reads as a command, and writes as mathematics what its
// text fonts lack.
var latexText = strings.NewReplacer(
	`\`, `\textbackslash{}`, "{", `\{`, "}", `\}`, "$", `\$`, "&", `\&`, "#", `\#`, "%", `\%`, "_", `\_\allowbreak{}`, "^", `\textasciicircum{}`, "~", `\textasciitilde{}`,
	"<", `\textless{}`, ">", `\textgreater{}`, "|", `\textbar{}`, `"`, `''`, "`", `\textasciigrave{}`,
	"−", `$-$`, "×", `$\times$`, "±", `$\pm$`, "≥", `$\ge$`, "≤", `$\le$`, "→", `$\to$`, "Γ", `$\Gamma$`, "Δ", `$\Delta$`, "α", `$\alpha$`, "χ", `$\chi$`, "²", `\textsuperscript{2}`, "…", `\dots{}`, "–", "--", "·", `$\cdot$`,
	"/", `/\allowbreak{}`, "\n", " ", "\r", " ", "\t", " ",
)

// minus is a hyphen that is a sign, or stands between two words.
var minus = regexp.MustCompile(`(^|[ (])-( |[0-9.])`)

// latexOf escapes a text; its minus signs are no hyphens.
func latexOf(s string) string { return minus.ReplaceAllString(latexText.Replace(s), "$1$$-$$$2") }

// latexNumber is latexOf for figures, which may have a plus.
func latexNumber(s string) string {
	s = latexOf(s)
	if strings.HasPrefix(s, "+") {
		s = "$+$" + s[1:]
	}
	return s
}

// latexWords lets long words, such as hashes, break.
func latexWords(s string) string {
	const longest = 24
	words := strings.Fields(s)
	for i, word := range words {
		var parts []string
		for runes := []rune(word); len(runes) > 0; runes = runes[min(8, len(runes)):] {
			parts = append(parts, latexText.Replace(string(runes[:min(8, len(runes))])))
		}
		words[i] = latexOf(word)
		if len([]rune(word)) > longest {
			words[i] = strings.Join(parts, `\allowbreak{}`)
		}
	}
	return strings.Join(words, " ")
}

// longTable is above how many lines a table breaks over pages.
const longTable = 40

// A column of more than wrapped letters is as wide as allows for so many in a line.
const wrapped, wrappedLine = 40, 44

func writeLatex(w io.Writer, d Document) error {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	text := latexOf
	p(`%% booktabs tables without vertical rules, captions above, for IEEE and NeurIPS: copy
%% the tabular into a table of the paper. Compile with pdflatex.
\documentclass[10pt]{article}
\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs,longtable,array,tikz}
\setlength{\LTleft}{0pt}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\sloppy
\begin{document}
`)
	p("{\\LARGE\\bfseries %s\\par}\n", text(d.Title))
	if !d.Date.IsZero() {
		p("%s UTC\n\n", d.Date.UTC().Format("2006-01-02 15:04"))
	}
	for _, paragraph := range d.Lead {
		p("%s\n\n", text(paragraph))
	}
	for _, s := range d.Sections {
		p("\\section*{%s}\n", text(s.Title))
		for _, paragraph := range s.Paragraphs {
			p("%s\n\n", text(paragraph))
		}
		for _, warning := range s.Warnings {
			p("\\emph{%s}\n\n", text(warning))
		}
		for _, command := range s.Commands {
			p("{\\ttfamily\\small %s\\par}\n\n", text(command))
		}
		for _, t := range s.Tables {
			b.WriteString(t.latex())
		}
		for _, f := range s.Forests {
			b.WriteString(f.latex())
		}
	}
	if d.Source != "" {
		p("\\section*{%s}\n{\\ttfamily\\footnotesize\\raggedright\n", text(d.SourceName))
		for line := range strings.Lines(strings.TrimRight(d.Source, "\n") + "\n") {
			line = strings.TrimRight(line, "\n")
			indent := len(line) - len(strings.TrimLeft(line, " \t"))
			p("\\mbox{}%s%s\\\\\n", strings.Repeat("~", indent), text(line[indent:]))
		}
		p("}\n")
	}
	p("\\end{document}\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (t Table) latex() string {
	var b strings.Builder
	text := latexOf
	columns, heads := "", make([]string, len(t.Columns))
	for i, c := range t.Columns {
		heads[i] = text(c.Name)
		switch {
		case c.Number:
			columns += "r"
		case t.widest(i) > wrapped:
			columns += `>{\raggedright\arraybackslash}p{.4\linewidth}`
		default:
			columns += "l"
		}
	}
	head := strings.Join(heads, " & ") + ` \\`
	long, groups := t.lines() > longTable, t.groups()
	size := `\footnotesize`
	if len(t.Columns) > 8 {
		size = `\scriptsize`
	}
	b.WriteString("{" + size + "\\setlength{\\tabcolsep}{3pt}\n")
	if long {
		fmt.Fprintf(&b, "\\begin{longtable}{@{}%s@{}}\n\\multicolumn{%d}{@{}l}{\\bfseries %s}\\\\\n\\toprule\n%s\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n", columns, len(t.Columns), text(t.Caption), head)
	} else {
		fmt.Fprintf(&b, "\\begin{minipage}{\\linewidth}{\\bfseries %s\\par}\\smallskip\n\\begin{tabular}{@{}%s@{}}\n\\toprule\n%s\n\\midrule\n", text(t.Caption), columns, head)
	}
	last := ""
	for i, row := range t.Rows {
		if groups && i > 0 && row[0].Text != last {
			b.WriteString("\\addlinespace\n")
		}
		repeated := groups && !long && i > 0 && row[0].Text == last
		last = row[0].Text
		cells := make([]string, len(row))
		for k, c := range row {
			if t.Columns[k].Number {
				cells[k] = latexNumber(c.Text)
			} else {
				cells[k] = latexWords(c.Text)
			}
			if c.Strong && c.Text != "" {
				cells[k] = `\textbf{` + cells[k] + `}`
			}
		}
		if repeated {
			cells[0] = ""
		}
		b.WriteString(strings.Join(cells, " & ") + " \\\\\n")
	}
	if long {
		b.WriteString("\\end{longtable}\n")
	} else {
		b.WriteString("\\bottomrule\n\\end{tabular}\\end{minipage}\n\n")
	}
	if t.Note != "" {
		b.WriteString(text(t.Note) + "\n")
	}
	b.WriteString("\\par}\\medskip\n")
	return b.String()
}

// groups says whether rows belong together by their first cell.
func (t Table) groups() bool {
	for i := 1; i < len(t.Rows) && len(t.Columns) > 4; i++ {
		if t.Rows[i][0].Text == t.Rows[i-1][0].Text {
			return true
		}
	}
	return false
}

// lines is about how many lines the rows take, where texts wrap.
func (t Table) lines() int {
	n := 0
	for _, row := range t.Rows {
		most := 1
		for i, c := range row {
			if !t.Columns[i].Number && t.widest(i) > wrapped {
				most = max(most, (len([]rune(c.Text))+wrappedLine-1)/wrappedLine)
			}
		}
		n += most
	}
	return n
}

// widest is the number of letters of the longest text of a column.
func (t Table) widest(column int) int {
	n := len(t.Columns[column].Name)
	for _, row := range t.Rows {
		n = max(n, len([]rune(row[column].Text)))
	}
	return n
}

// forestPage is how many rows of a forest plot stand on a page.
const forestPage = 44

// latex draws in TikZ, 7 cm wide.
func (f Forest) latex() string {
	var b strings.Builder
	s, text := f.newScale(), latexOf
	ticks := s.ticks()
	texts := tickTexts(ticks)
	const width, step = 7.0, 0.42
	for from := 0; from < len(f.Rows); from += forestPage {
		rows := f.Rows[from:min(from+forestPage, len(f.Rows))]
		bottom := -step * float64(len(rows))
		fmt.Fprintf(&b, "\\begin{minipage}{\\linewidth}{\\bfseries %s\\par}\\smallskip\n\\begin{tikzpicture}[font=\\footnotesize]\n", text(f.Caption))
		for i, v := range ticks {
			x := width * s.at(v)
			fmt.Fprintf(&b, "\\draw[black!20] (%.3f,0) -- (%.3f,%.3f);\n\\node[below] at (%.3f,%.3f) {%s};\n", x, x, bottom, x, bottom, latexNumber(texts[i]))
		}
		fmt.Fprintf(&b, "\\draw[dashed] (%.3f,0) -- (%.3f,%.3f);\n", width*s.at(0), width*s.at(0), bottom)
		for i, r := range rows {
			y := -step * (float64(i) + 0.5)
			strong := ""
			if r.Strong {
				strong = `\bfseries `
			}
			fmt.Fprintf(&b, "\\node[left] at (-0.2,%.3f) {%s%s};\n\\node[right] at (%.3f,%.3f) {%s%s};\n", y, strong, text(r.Short()), width+0.2, y, strong, latexNumber(r.Text))
			if !math.IsNaN(r.Low) && !math.IsNaN(r.High) {
				fmt.Fprintf(&b, "\\draw[thick] (%.3f,%.3f) -- (%.3f,%.3f);\n", width*s.at(r.Low), y, width*s.at(r.High), y)
			}
			if !math.IsNaN(r.At) {
				fmt.Fprintf(&b, "\\fill (%.3f,%.3f) circle (0.07);\n", width*s.at(r.At), y)
			}
		}
		b.WriteString("\\end{tikzpicture}\\end{minipage}\\par\\medskip\n")
	}
	return b.String()
}
