package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/host/report"
)

var update = flag.Bool("update", false, "rewrite the golden files (the test still fails where one changed)")

// hostile is what a name may hold at worst.
const hostile = `<script>alert(1)</script> \input{/etc/passwd} $x_1^2$ 50% & #1 ~ | ` + "`x` {[*_]}"

// made has everything that a document may have.
func made() report.Document {
	table := report.Table{
		Caption: "nafld: auroc on test set id", Note: "Bold: survives the correction.",
		Columns: []report.Column{{Name: "backbone"}, {Name: "variant"}, {Name: "auroc", Number: true}, {Name: "difference", Number: true}, {Name: "p (Holm)", Number: true}},
		Rows: [][]report.Cell{
			report.Text("concat", "erm", "0.812", "", ""),
			{{Text: "concat"}, {Text: "md", Strong: true}, {Text: "0.834", Strong: true}, {Text: "+0.022", Strong: true}, {Text: "<0.001"}},
			report.Text("gated", hostile, "n/a", "-0.001", "1.000"),
		},
	}
	return report.Document{
		Title: "Report on a_sweep", Date: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Lead: []string{"Means over 5 seeds; E-values and Γ ≥ 1."},
		Sections: []report.Section{
			{Title: "Results", Tables: []report.Table{table}, Warnings: []string{"fewer than 5 seeds"}, Forests: []report.Forest{{Caption: "Difference to erm", Rows: []report.Bar{
				{Label: "concat / md", Text: "+0.022  0.010 to 0.033", At: .022, Low: .01, High: .033, Strong: true},
				{Label: "gated / " + hostile, Text: "-0.001", At: -.001, Low: math.NaN(), High: math.NaN()},
			}}}},
			{Title: "Provenance", Paragraphs: []string{"As it was."}, Commands: []string{"deconfound run sweep.toml"}, Tables: []report.Table{{
				Caption: "Hashes", Columns: []report.Column{{Name: "what"}, {Name: "which"}}, Rows: [][]report.Cell{report.Text("data", strings.Repeat("0123456789abcdef", 4))},
			}}},
		},
		Source: "version = 1\nname = \"a_sweep\"\n[axes]\n  dataset = [\"nafld\"]  # 100 %\n", SourceName: "The sweep's file",
		Data: report.Table{Columns: table.Columns, Rows: table.Rows},
	}
}

func write(t *testing.T, format string) string {
	t.Helper()
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := report.Write(b, made(), format); err != nil {
			t.Fatal(err)
		}
	}
	if format != "pdf" && !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("%s differs from one time to the next", format)
	}
	return first.String()
}

func TestWrite_Golden(t *testing.T) {
	for format, name := range map[string]string{"html": "report.html", "latex": "report.tex", "md": "report.md", "csv": "report.csv"} {
		got, path := write(t, format), filepath.Join("testdata", name)
		want, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// A page needs nothing else, and no text of others is markup.
func TestWrite_HTML(t *testing.T) {
	page := write(t, "html")
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", "url("} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestWrite_CSV(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(write(t, "csv"))).ReadAll()
	if err != nil || len(rows) != 4 || rows[3][1] != hostile {
		t.Errorf("got %q, %v", rows, err)
	}
}

func TestWrite_PDF(t *testing.T) {
	got := write(t, "pdf")
	if !strings.HasPrefix(got, "%PDF-") || !strings.Contains(got, "/Type /Pages") || !strings.HasSuffix(strings.TrimSpace(got), "%%EOF") {
		t.Errorf("no PDF: %.40q", got)
	}
}

func TestWrite_UnknownFormat(t *testing.T) {
	if err := report.Write(new(bytes.Buffer), made(), "docx"); err == nil || !strings.Contains(err.Error(), "html, pdf, latex, md, csv") {
		t.Error(err)
	}
}

// A table of few rows whose texts take many lines breaks over pages, too.
func TestWrite_LatexLongTexts(t *testing.T) {
	table := report.Table{Caption: "c", Columns: []report.Column{{Name: "diagnostic"}, {Name: "reason"}}}
	for range 20 {
		table.Rows = append(table.Rows, report.Text("positivity/labs", strings.Repeat("something unmeasured ", 8)))
	}
	var b bytes.Buffer
	if err := report.Write(&b, report.Document{Sections: []report.Section{{Tables: []report.Table{table}}}}, "latex"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `\begin{longtable}`) {
		t.Error("20 rows of 4 lines each stand on one page")
	}
}

// LaTeX compiles, and lets no name of others do anything.
func TestWrite_LatexCompiles(t *testing.T) {
	if _, err := exec.LookPath("pdflatex"); err != nil {
		t.Skip("no pdflatex; the golden file is compared all the same")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "report.tex"), []byte(write(t, "latex")), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if bytes.Contains(out, []byte("Overfull")) {
		t.Errorf("lines are too long:\n%s", out)
	}
}
