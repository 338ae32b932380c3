package e2e

import (
	"bytes"
	"compress/zlib"
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/deconfound/deconfound/tracker/shown"
)

// pages is deconfound ui as a browser sees it.
type pages struct {
	*home
	at string
}

// ui starts the pages on a port of their own.
func (h *home) ui() (pages, *program) {
	h.t.Helper()
	p := h.start("ui", "--listen", "127.0.0.1:0")
	address := regexp.MustCompile(`^http://[^ /]+`)
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				h.t.Fatalf("the pages ended:\n%s", p.errors())
			}
			if at := address.FindString(line); at != "" {
				return pages{h, at}, p
			}
		case <-timeout:
			h.t.Fatalf("the pages do not start:\n%s", p.errors())
		}
	}
}

func (p pages) body(answer *http.Response, err error) string {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s\n%s", answer.Request.URL, answer.Status, body)
	}
	return string(body)
}

func (p pages) get(path string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.at+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.body(http.DefaultClient.Do(r))
}

func (p pages) post(path string, form url.Values) string {
	p.t.Helper()
	key := regexp.MustCompile(`name="form_key" value="([^"]+)"`).FindStringSubmatch(p.get("/sql"))
	form.Set("form_key", key[1])
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.at+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.body(http.DefaultClient.Do(r))
}

var (
	pageCell = regexp.MustCompile(`(?s)<t[hd][ >].*?</t[hd]>`)
	pageTag  = regexp.MustCompile(`<[^>]*>`)
	wide     = regexp.MustCompile(` {2,}`)
)

// table is the cells of the table in the region of a name.
func (p pages) table(body, name string) [][]string {
	p.t.Helper()
	_, after, ok := strings.Cut(body, `aria-label="`+name+`"`)
	if !ok {
		p.t.Fatalf("the page has no table %q:\n%s", name, body)
	}
	content, _, _ := strings.Cut(after, "</table>")
	var rows [][]string
	for _, row := range strings.Split(content, "<tr")[1:] {
		var cells []string
		for _, cell := range pageCell.FindAllString(row, -1) {
			text := html.UnescapeString(pageTag.ReplaceAllString(strings.ReplaceAll(cell, "<wbr>", ""), " "))
			cells = append(cells, strings.Join(strings.Fields(text), " "))
		}
		rows = append(rows, cells)
	}
	return rows
}

// printed is the fields of the lines that a command prints; what a field is between
// two columns of spaces.
func printed(out string) [][]string {
	var rows [][]string
	for line := range strings.Lines(out) {
		rows = append(rows, wide.Split(strings.TrimSpace(line), -1))
	}
	return rows
}

// has looks for a field among the words of a row.
func has(t testing.TB, what, field string, row []string) {
	t.Helper()
	if !strings.Contains(" "+strings.Join(row, " ")+" ", " "+field+" ") {
		t.Errorf("%s: the page has %q, and no %q", what, row, field)
	}
}

// looksAtPages holds the numbers on the pages of the sweep quick against those that
// compare, runs show and sql print, digit by digit.
func (h *home) looksAtPages() {
	t := h.t
	p, running := h.ui()
	defer func() {
		running.interrupt(t)
		if end := running.wait(t); end.code != 0 {
			t.Errorf("the pages end with %d\n%s", end.code, end.err)
		}
	}()
	first := p.get("/")
	sweep := regexp.MustCompile(`/sweep/\d+`).FindString(first)
	if row := p.table(first, "Sweeps"); len(row) != 2 || !slices.Contains(row[1], "4 of 4") {
		t.Errorf("got %q", row)
	}

	checked := 0
	out := h.must("compare", "quick").out // which the page then shows at once
	body := p.get(sweep + "/compare")
	forest, patterns := p.table(body, "Differences to erm"), p.table(body, "Differences by pattern")
	// The first table is the summary, that of hidden bias comes after what explains it.
	summary, _, _ := strings.Cut(out[strings.Index(out, "\n\n")+2:], "\n\n")
	_, hidden, _ := strings.Cut(out, "How much hidden bias")
	for _, fields := range printed(hidden) {
		if fields[0] == "concat" {
			if row := p.table(body, "Hidden bias")[1]; !slices.Equal(row, fields) {
				t.Errorf("compare prints %q, the page %q", fields, row)
			}
			checked++
		}
	}
	for _, fields := range printed(summary) {
		if fields[0] == "concat" {
			i := slices.IndexFunc(forest, func(r []string) bool { return strings.HasPrefix(r[0], fields[1]+" ") })
			if i < 0 {
				t.Fatalf("the page has no row of %s: %q", fields[1], forest)
			}
			for _, f := range fields[2:] {
				has(t, fields[1], f, forest[i])
				checked++
			}
		}
	}
	for _, fields := range printed(out) {
		if len(fields) == 9 && fields[1] == "concat" && fields[2] == "md" {
			i := slices.IndexFunc(patterns, func(r []string) bool { return strings.HasPrefix(r[0], fields[0]+" ") })
			if i < 0 {
				t.Fatalf("the page has no pattern %s: %q", fields[0], patterns)
			}
			for _, f := range []string{fields[3] + " patients,", fields[4] + " events", fields[7], fields[8]} {
				has(t, fields[0], f, patterns[i])
				checked++
			}
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Power: ") {
			if page := html.UnescapeString(body); !strings.Contains(page, strings.TrimSpace(line)) {
				t.Errorf("compare prints %q, the page does not", line)
			}
			checked++
		}
	}
	for _, row := range p.rows(`select grp || ' ' || lvl, mean, lo, hi from paired where sweep = 'quick' and metric = 'auroc' and split = 'test' and grp not in ('', 'pattern') and lvl <> '' and variant = 'md'`) {
		table := p.table(body, "Differences by subgroup")
		i := slices.IndexFunc(table, func(r []string) bool { return r[0] == row[0] })
		if i < 0 {
			t.Fatalf("the page has no subgroup %s: %q", row[0], table)
		}
		v := make([]float64, 3)
		for k := range v {
			var err error
			if v[k], err = strconv.ParseFloat(row[k+1], 64); err != nil {
				v[k] = math.NaN()
			}
		}
		has(t, row[0], strings.TrimSpace(shown.Signed(v[0])+" "+shown.Bounds(v[1], v[2])), table[i])
		checked++
	}
	// Reports say the same in every format that can be read as text.
	rows, err := csv.NewReader(strings.NewReader(h.must("report", "quick", "--format", "csv", "-o", "-").out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	reports := map[string]string{"the report as CSV": ""}
	for _, row := range rows {
		if row[5] != "pattern" && row[1] == "concat" { // all rows of a cell, and the worst pattern
			reports["the report as CSV"] += row[2] + " " + row[11] + " " + row[12] + " to " + row[13] + " " + row[15] + " " + row[16] + " to " + row[17] + " " + row[18] + "\n"
		}
	}
	for _, format := range []string{"html", "md", "latex"} {
		reports["the report as "+format] = regexp.MustCompile(`<[^>]*>|[\\${}]|allowbreak|textless|textgreater`).ReplaceAllString(strings.ReplaceAll(html.UnescapeString(h.must("report", "quick", "--format", format, "-o", "-").out), `\textless{}`, "<"), "")
	}
	// In rows, in what is typeset: the figures of a cell follow each other.
	typeset := map[string]string{"LaTeX": reports["the report as latex"]}
	for name, text := range h.pdfTexts("quick") {
		typeset[name], reports["the report as PDF, "+name] = text, text
	}
	for _, fields := range printed(summary) {
		if fields[0] != "concat" {
			continue
		}
		for name, text := range typeset {
			row := strings.Join(fields[2:min(7, len(fields))], " ")
			if text := strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '&' || unicode.IsSpace(r) }), " "); !strings.Contains(text, " "+row) {
				t.Errorf("compare prints %s for %s; %s has no such row:\n%s", row, fields[1], name, text)
			}
			checked++
		}
	}
	for _, fields := range printed(summary) {
		if fields[0] == "concat" {
			for name, text := range reports {
				for _, f := range fields[2:min(7, len(fields))] { // up to the corrected p value
					if strings.ContainsAny(f, "0123456789") && !strings.Contains(text, f) {
						t.Errorf("compare prints %s for %s; %s does not have it:\n%s", f, fields[1], name, text)
					}
					checked++
				}
			}
		}
	}
	// The leaderboard is of the view, and its means are those of compare.
	board := p.table(p.get(sweep), "Leaderboard")
	for _, fields := range printed(summary) {
		if fields[0] == "concat" {
			i := slices.IndexFunc(board, func(r []string) bool { return strings.HasPrefix(r[2], fields[1]) })
			has(t, "leaderboard, "+fields[1], fields[2], board[i])
			has(t, "leaderboard, "+fields[1], fields[3], board[i])
			checked += 2
		}
	}
	if checked < 30 {
		t.Errorf("only %d figures of compare were found:\n%s", checked, out)
	}

	run := regexp.MustCompile(`/run/(\d+)`).FindStringSubmatch(p.get(sweep + "?phase=replicate"))
	body = p.get(run[0])
	results := p.table(body, "Results on test")
	diagnostics := p.table(body, "Diagnostics")
	checked = 0
	for _, fields := range printed(h.must("runs", "show", run[1]).out) {
		name, test := strings.CutPrefix(fields[0], "test/")
		if test && fields[1] != "n/a" {
			metric, level, _ := strings.Cut(name, "@")
			if level == "" {
				level = "all"
			}
			column := slices.Index(results[0], metric)
			i := slices.IndexFunc(results, func(r []string) bool { return r[0] == level })
			if i < 0 && (metric == "n" || metric == "events") {
				continue // of a pattern in which nothing is computed
			}
			if i < 0 || column < 0 || results[i][column] != fields[1] {
				t.Errorf("runs show has %s = %s; the page has not, in %q", fields[0], fields[1], results)
			}
			checked++
		}
		if i := slices.IndexFunc(diagnostics, func(r []string) bool { return len(r) > 1 && r[1] == fields[0] }); i >= 0 && len(fields) > 2 {
			has(t, fields[0], fields[2], diagnostics[i])
			checked++
		}
	}
	if checked < 50 {
		t.Errorf("only %d figures of runs show were found", checked)
	}

	p.looksAtFigures(body, run[1])
	ids := p.rows(`select min(run_id), max(run_id) from runs where sweep = 'quick' and phase = 'replicate'`)[0]
	body = p.get("/diff?a=" + ids[0] + "&b=" + ids[1])
	checked = 0
	for i, fields := range printed(h.must("runs", "diff", ids[0], ids[1]).out) {
		region := "Settings that differ"
		switch {
		case i == 0 || len(fields) < 3 || fields[0] == "setting" || fields[0] == "result" || strings.HasPrefix(fields[0], "environment."):
			continue
		case strings.HasPrefix(fields[0], "program."):
			region = "Provenance that differs"
		case len(fields) == 4:
			region = "Results that differ"
		}
		table := p.table(body, region)
		if i := slices.IndexFunc(table, func(r []string) bool { return r[0] == fields[0] }); i < 0 || !slices.Equal(table[i], fields) {
			t.Errorf("runs diff prints %q; %s has %q", fields, region, table)
		}
		checked++
	}
	if checked < 10 {
		t.Errorf("only %d differences were found", checked)
	}
	p.looksAtAudit(sweep)

	const query = `select variant, pattern, auroc(score, label), count(*), avg(score) from predictions group by 1, 2 order by 1, 2`
	answer := p.table(p.post("/sql", url.Values{"query": {query}}), "Answer")
	for i, fields := range printed(h.must("sql", query).out) {
		if i < 2 || strings.HasSuffix(fields[0], "rows)") {
			continue
		}
		if row := answer[i-1]; strings.Join(strings.Fields(strings.Join(row, " ")), " ") != strings.Join(fields, " ") {
			t.Errorf("sql prints %q, the page %q", fields, row)
		}
	}
	file := p.post("/sql.csv", url.Values{"query": {query}})
	if want := h.must("sql", "--csv", query).out; file != want {
		t.Errorf("the file differs:\n%s\nsql --csv has\n%s", file, want)
	}
}

// pdfTexts is the text of a report as PDF, as the file has it and, where there is
// pdftotext, as that reads it.
func (h *home) pdfTexts(sweep string) map[string]string {
	h.t.Helper()
	path := filepath.Join(h.cwd(), "report.pdf")
	h.must("report", sweep, "-o", path)
	file, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string]string{"its text objects": pdfText(h.t, file)}
	if _, err := exec.LookPath("pdftotext"); err == nil {
		text, err := exec.CommandContext(h.t.Context(), "pdftotext", "-layout", path, "-").Output()
		if err != nil {
			h.t.Fatal(err)
		}
		out["pdftotext"] = string(text)
	}
	return out
}

var (
	pdfStream = regexp.MustCompile(`(?s)/FlateDecode\b[^>]*>>\s*stream\r?\n(.*?)\r?\nendstream`)
	pdfShown  = regexp.MustCompile(`(?s)\(((?:[^\\()]|\\.)*)\) ?Tj`)
	pdfEscape = regexp.MustCompile(`(?s)\\(.)`)
)

// pdfText is what the file shows, one text object after another. Their letters are
// UTF-16, as this program writes them (ISO 32000-1, 9.4.3).
func pdfText(t testing.TB, file []byte) string {
	t.Helper()
	var out strings.Builder
	for _, stream := range pdfStream.FindAllSubmatch(file, -1) {
		inflated, err := zlib.NewReader(bytes.NewReader(stream[1]))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(inflated)
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range pdfShown.FindAllSubmatch(content, -1) {
			text := pdfEscape.ReplaceAllFunc(shown[1], func(e []byte) []byte {
				if e[1] == 'r' {
					return []byte{'\r'}
				}
				return e[1:]
			})
			letters := make([]uint16, len(text)/2)
			for i := range letters {
				letters[i] = uint16(text[2*i])<<8 | uint16(text[2*i+1])
			}
			out.WriteString(string(utf16.Decode(letters)) + "\n")
		}
	}
	return out.String()
}

// rows are the answer of SQL with all digits.
func (p pages) rows(query string) [][]string {
	p.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(p.must("sql", "--csv", query).out)).ReadAll()
	if err != nil {
		p.t.Fatal(err)
	}
	return rows[1:]
}

// looksAtFigures holds the figures of a run against what SQL reads of its
// diagnostics and results.
func (p pages) looksAtFigures(body, run string) {
	t := p.t
	checked := 0
	// sql asks for a name and numbers; printed as the pages do.
	sql := func(query string, how ...func(float64) string) (out [][]string) {
		for _, row := range p.rows(fmt.Sprintf(query, run)) {
			for i := range how {
				v, err := strconv.ParseFloat(row[i+2], 64)
				if err != nil {
					v = math.NaN()
				}
				row[i+2] = how[i](v)
			}
			out = append(out, row)
		}
		return out
	}
	hold := func(region, name string, values []string) {
		table := p.table(body, region)
		i := slices.IndexFunc(table, func(r []string) bool { return r[0] == name || strings.HasPrefix(r[0], name+" ") })
		if i < 0 {
			t.Errorf("%s has no row %q: %q", region, name, table)
			return
		}
		for _, v := range values {
			has(t, region+", "+name, v, table[i])
			checked++
		}
	}
	for _, row := range sql(`select 'Balance: ' || split_part(diagnostic, '/', 2), b ->> 'covariate', (b ->> 'smd')::float8, (b ->> 'weighted_smd')::float8
		from diagnostics, jsonb_array_elements(detail -> 'balance') b where run_id = %s and starts_with(diagnostic, 'balance/')`, shown.Signed, shown.Signed) {
		hold(row[0], row[1], row[2:])
	}
	for kind, region := range map[string]string{
		"mask_flip": "Predictions moved by hiding a modality", "mask_flip_auroc": "AUROC lost by hiding a modality", "spoofing": "Predictions moved by telling of another availability",
	} {
		for _, row := range sql(`select '', split_part(diagnostic, '/', 2), estimate, lo, hi from diagnostics
			where run_id = %s and estimate <> 'NaN' and starts_with(diagnostic, '`+kind+`/')`, shown.Decimal, shown.Decimal, shown.Decimal) {
			hold(region, row[1], []string{row[2], row[3] + " to " + row[4]})
		}
	}
	for _, row := range sql(`select 'Interventional gap by pattern', e.key, e.value::text::float8 from diagnostics, jsonb_each(detail -> 'by_pattern') e
		where run_id = %s and diagnostic = 'interventional_gap'`, shown.Decimal) {
		hold(row[0], row[1], row[2:])
	}
	for _, row := range sql(`select 'Probes of h', substr(diagnostic, 9), estimate from diagnostics where run_id = %s and starts_with(diagnostic, 'probe/h:') and estimate <> 'NaN'`, shown.Decimal) {
		hold(row[0], row[1], row[2:])
	}
	whole := func(v float64) string { return shown.Decimals(v, 0) }
	for _, row := range sql(`select 'Availability patterns', lvl, value from results where run_id = %s and split = 'test' and grp = 'pattern' and metric = 'n'`, whole) {
		hold(row[0], row[1], row[2:])
	}
	for _, row := range sql(`select 'Availability patterns', lvl, value from results where run_id = %s and split = 'test' and grp = 'pattern' and metric = 'auroc'`, shown.Decimal) {
		hold(row[0], row[1], row[2:])
	}
	if checked < 60 {
		t.Errorf("only %d figures of SQL were found", checked)
	}
}

// looksAtAudit holds the page of the dataset, which has what the first worker
// stored, against what data audit computes again.
func (p pages) looksAtAudit(sweep string) {
	t := p.t
	body := p.get(sweep + "/data/nafld")
	checked, region := 0, "Modalities"
	for _, fields := range printed(p.must("data", "audit", "nafld").out) {
		switch fields[0] {
		case "availability pattern":
			region = "Availability patterns"
		case "Odds of the label when it is missing", "How strong something unmeasured would have to be":
			region = fields[0]
		default:
			if strings.HasPrefix(fields[0], "Who is measured") {
				region = fields[0]
			}
		}
		if len(fields) < 4 || region == "" || fields[0] == "modality" || fields[0] == "availability pattern" {
			continue
		}
		table := p.table(body, region)
		i := slices.IndexFunc(table, func(r []string) bool { return r[0] == fields[0] })
		if i < 0 {
			t.Errorf("%s has no row %q", region, fields[0])
			continue
		}
		for _, f := range fields[1:] {
			has(t, region+", "+fields[0], f, table[i])
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d figures of data audit were found", checked)
	}
	for _, cells := range p.rows(`select b ->> 'name', c ->> 'covariate', c ->> 'smd' from dataset_audits,
		jsonb_array_elements(audit -> 'missingness' -> 'blocks') b, jsonb_array_elements(b -> 'balance') c where sweep = 'quick'`) {
		v, err := strconv.ParseFloat(cells[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		table := p.table(body, "Balance: "+cells[0])
		i := slices.IndexFunc(table, func(r []string) bool { return r[0] == cells[1] })
		has(t, "balance of "+cells[0], shown.Signed(v), table[i])
	}
}

// Strangers are let in with a token alone.
func TestUI_AsksForToken(t *testing.T) {
	h := newHome(t)
	for _, args := range [][]string{
		{"--listen", "0.0.0.0:0"}, {"--listen", ":0"}, {"--listen", "10.1.2.3:8600"}, {"--host", "lab.example"}, {"--behind-tls"}, {"--listen", "nonsense"},
		{"--listen", "example.org:80"}, {"--token-file", h.write("short", "0123456789")},
	} {
		a := h.expect(2, append([]string{"ui"}, args...)...)
		if !strings.Contains(a.err, "token") && !strings.Contains(a.err, "nonsense") {
			t.Errorf("%v: %s", args, a.err)
		}
	}
	if a := h.expect(1, "ui", "--token-file", "missing"); !strings.Contains(a.err, "read token") {
		t.Error(a.err)
	}
	if help := h.must("ui", "--help").out; !strings.Contains(help, "TLS") || !strings.Contains(help, "--token-file") {
		t.Error(help)
	}
}
