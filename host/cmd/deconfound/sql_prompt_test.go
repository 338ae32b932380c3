package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

var someViews = []tracker.View{
	{Name: "runs", Text: "One row per run.", Columns: []tracker.Column{{Name: "run_id", Type: "bigint", Text: "number of the run"}, {Name: "backbone", Type: "text"}}},
	{Name: "results", Text: "Final metrics.", Columns: []tracker.Column{{Name: "metric", Type: "text"}, {Name: "value", Type: "double precision"}}},
}

// typed is what a terminal shows when keys are pressed, and what was asked.
func typed(t *testing.T, keys string) (out string, asked []string) {
	t.Helper()
	var shownText bytes.Buffer
	p := newSQLPrompt(struct {
		io.Reader
		io.Writer
	}{strings.NewReader(strings.ReplaceAll(keys, "\n", "\r")), &shownText}, someViews)
	p.ask = func(query string) (shown.Answer, error) {
		asked = append(asked, strings.Join(strings.Fields(query), " "))
		if strings.Contains(query, "wrong") {
			return shown.Answer{}, errors.New("there is no column wrong")
		}
		return shown.Answer{Columns: []string{"metric", "value"}, Rows: [][]any{{"auroc", shown.Number(0.5)}}}, nil
	}
	if err := p.run(t.Context(), &shownText); err != nil {
		t.Fatal(err)
	}
	return shownText.String(), asked
}

func TestSQLPrompt_Completes(t *testing.T) {
	for keys, want := range map[string]string{
		"sel\tmet\t, val\tfrom resu\t;\n":                "select metric , value from results;",
		"select * from ru\t;\n":                          "select * from runs;",
		"select auroc\trun_id) from runs;\n":             "select auroc(run_id) from runs;",
		"select value from results r\nwher\tval\t> 1;\n": "select value from results r where value > 1;",
		"select runs.b\tfrom runs;\n":                    "select runs.backbone from runs;",
		"select zzz\t from runs;\n":                      "select zzz from runs;",
		"select 1;\n\x1b[A\n":                            "select 1;|select 1;", // the arrow up
	} {
		_, asked := typed(t, keys)
		if got := strings.Join(asked, ";|") + ";"; got != want {
			t.Errorf("%q: got %q, want %q", keys, got, want)
		}
	}
	if out, _ := typed(t, "select au\t\n;\n"); !strings.Contains(out, "auprc(  auroc(") {
		t.Errorf("several words fit, and are not listed:\n%s", out)
	}
}

func TestSQLPrompt_Answers(t *testing.T) {
	out, asked := typed(t, "\\d\n\\d runs\n\\d none\n\\nonsense\n;\nselect wrong;\nselect metric,\nvalue from results;\n\\chart\nselect 1;\n\\q\nselect 2;\n")
	for _, want := range []string{
		"runs: One row per run.", "number of the run", "there is no view none", "Write a query and end it with ;", "there is no column wrong",
		"auroc  ", "(1 rows)", "█",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not show %q:\n%s", want, out)
		}
	}
	if got := strings.Join(asked, "|"); got != "select wrong|select metric, value from results|select 1" {
		t.Errorf("asked %q", got)
	}
}

// What is offered exists: every word is known to the server.
func TestSQLPrompt_WordsExist(t *testing.T) {
	store := trackertest.New(t)
	views, err := store.Views(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newSQLPrompt(&bytes.Buffer{}, views)
	if got := p.words("select * from "); len(got) != len(views) || len(got) < 10 {
		t.Errorf("after from there are %q", got)
	}
	known, err := ask(t.Context(), store, `select word from pg_get_keywords() union select proname || '(' from pg_proc`)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, row := range known.Rows {
		words[shown.Cell(row[0])] = true
	}
	for _, w := range append(append([]string{}, sqlFunctions...), sqlKeywords...) {
		if !words[w] {
			t.Errorf("PostgreSQL does not know %q", w)
		}
	}
}

func TestSQL_Chart(t *testing.T) {
	store := trackertest.New(t)
	t.Setenv(dsnVariable, store.DSN())
	t.Setenv("DECONFOUND_HOME", t.TempDir())
	var out, errs bytes.Buffer
	if code := execute(t.Context(), []string{"sql", "--chart", `select 'a' as x, 1.5::float8 as y union select 'b', 3 order by 1`}, nil, &out, &errs); code != exitOK || !strings.Contains(out.String(), "█") {
		t.Errorf("%d %s%s", code, out.String(), errs.String())
	}
	if code := execute(t.Context(), []string{"sql"}, nil, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "on a terminal") {
		t.Errorf("%d %s", code, errs.String())
	}
}
