package report

import (
	"bytes"
	"io"
	"strings"
)

var markdownText = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`, "\n", " ", "\r", " ")

func writeMarkdown(w io.Writer, d Document) error {
	var b bytes.Buffer
	line := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	line("# ", markdownText.Replace(d.Title), "\n")
	for _, p := range d.Lead {
		line(markdownText.Replace(p), "\n")
	}
	for _, s := range d.Sections {
		line("## ", markdownText.Replace(s.Title), "\n")
		for _, p := range s.Paragraphs {
			line(markdownText.Replace(p), "\n")
		}
		for _, p := range s.Warnings {
			line("> ", markdownText.Replace(p), "\n")
		}
		for _, c := range s.Commands {
			line("    ", strings.ReplaceAll(c, "\n", "\n    "), "\n")
		}
		for _, t := range s.Tables {
			line("**", markdownText.Replace(t.Caption), "**\n")
			rule := "|"
			head := "|"
			for _, c := range t.Columns {
				head += " " + markdownText.Replace(c.Name) + " |"
				if c.Number {
					rule += " ---: |"
				} else {
					rule += " --- |"
				}
			}
			line(head)
			line(rule)
			for _, row := range t.Rows {
				text := "|"
				for _, c := range row {
					cell := markdownText.Replace(c.Text)
					if c.Strong && cell != "" {
						cell = "**" + cell + "**"
					}
					text += " " + cell + " |"
				}
				line(text)
			}
			line()
			if t.Note != "" {
				line(markdownText.Replace(t.Note), "\n")
			}
		}
	}
	if d.Source != "" {
		fence := "```"
		for strings.Contains(d.Source, fence) {
			fence += "`"
		}
		line("## ", markdownText.Replace(d.SourceName), "\n\n", fence, "toml\n", strings.TrimRight(d.Source, "\n"), "\n", fence)
	}
	_, err := w.Write(b.Bytes())
	return err
}
