package shown_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/tracker/shown"
)

func TestAnswer_Chart(t *testing.T) {
	n := func(v float64) shown.Number { return shown.Number(v) }
	for name, c := range map[string]struct {
		answer shown.Answer
		want   string
	}{
		"bars": {
			shown.Answer{Columns: []string{"variant", "n", "auroc"}, Rows: [][]any{{"erm", int64(5), n(0.5)}, {"md", int64(5), n(1)}, {"none", int64(0), nil}}},
			`auroc, 0 to 1
erm   ████████████             0.5
md    ███████████████████████  1
none
`,
		},
		"bars to both sides": {
			shown.Answer{Columns: []string{"variant", "difference"}, Rows: [][]any{{"a", n(-1)}, {"b", n(1)}, {"c", n(math.NaN())}}},
			`difference, -1 to 1
a  ██████████████              -1
b               █████████████  1
c                              NaN
`,
		},
		"intervals": {
			shown.Answer{Columns: []string{"backbone", "variant", "mean", "lo", "hi"}, Rows: [][]any{
				{"concat", "md", n(0), n(-0.1), n(0.1)}, {"concat", "db", n(0.05), nil, nil}, {"gated", "md", n(0.1), n(0), n(0.2)},
			}},
			`mean, -0.1 to 0.2
concat · md  ─────●─────       0
concat · db       ┊  ●         0.05
gated · md        ─────●─────  0.1
`,
		},
		"curves": {
			shown.Answer{Columns: []string{"run_id", "step", "value"}, Rows: [][]any{{"1", int64(2), n(3)}, {"1", int64(1), n(1)}, {"2", int64(1), n(7)}}},
			`value by step, each line from its lowest to its highest; the last value
1  ▁█  3
2  ▄  7
`,
		},
	} {
		var b strings.Builder
		if err := c.answer.Chart(&b, 40); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := b.String()
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s%s", name, d, got)
		}
		for _, line := range strings.Split(got, "\n")[1:] {
			if n := utf8.RuneCountInString(line); n > 40 {
				t.Errorf("%s: %d characters in 40: %q", name, n, line)
			}
		}
	}
	for _, nothing := range []shown.Answer{{Columns: []string{"a"}, Rows: [][]any{{"x"}}}, {Columns: []string{"a"}}} {
		if err := nothing.Chart(new(strings.Builder), 40); err == nil || !strings.Contains(err.Error(), "nothing to draw") {
			t.Errorf("%v: %v", nothing, err)
		}
	}
}
