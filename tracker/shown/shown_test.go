package shown_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/tracker/shown"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

func TestNumbers(t *testing.T) {
	nan := math.NaN()
	for got, want := range map[string]string{
		shown.Decimal(0.12345): "0.123", shown.Decimal(nan): "n/a", shown.Decimal(math.Inf(1)): "n/a", shown.Decimals(2, 0): "2",
		shown.Signed(0.0217): "+0.022", shown.Signed(-1): "-1.000", shown.Signed(0): "+0.000", "signed " + shown.Signed(nan): "signed n/a",
		shown.Probability(0): "<0.001", shown.Probability(0.0005): "0.001", "p " + shown.Probability(nan): "p n/a",
		shown.Bounds(0.1, 0.25): "0.100 to 0.250", shown.Bounds(nan, 1): "", "none" + shown.Bounds(1, nan): "none",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	text, err := json.Marshal([]shown.Number{0.5, shown.Number(nan), shown.Number(math.Inf(-1))})
	if err != nil || string(text) != "[0.5,null,null]" {
		t.Error(string(text), err)
	}
}

func TestAsk(t *testing.T) {
	analyst, err := trackertest.New(t).ReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer analyst.Close(context.WithoutCancel(t.Context()))
	const query = `select 0.1::real as r, 1.5::numeric as n, 1/3::float8 as d, null as nothing, '\x01ff'::bytea as b, '{"a": [1]}'::jsonb as j, true as t, 'NaN'::float8 as u`
	answer, err := shown.Ask(t.Context(), analyst, query, shown.Limit{Rows: 1})
	if err != nil || answer.Cut || len(answer.Rows) != 1 {
		t.Fatal(answer, err)
	}
	var cells []string
	for _, v := range answer.Rows[0] {
		cells = append(cells, shown.Cell(v))
	}
	if got, want := strings.Join(cells, "|"), `0.1|1.5|0.333333||\x01ff|{"a":[1]}|true|NaN`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var file strings.Builder
	if err := answer.CSV(&file); err != nil {
		t.Fatal(err)
	}
	if want := "r,n,d,nothing,b,j,t,u\n0.1,1.5,0.3333333333333333,,\\x01ff,\"{\"\"a\"\":[1]}\",true,NaN\n"; file.String() != want {
		t.Errorf("got %q, want %q", file.String(), want)
	}
}

func TestAsk_Limit(t *testing.T) {
	store := trackertest.New(t)
	for name, c := range map[string]struct {
		query string
		limit shown.Limit
		rows  int
		cut   bool
	}{
		"rows":         {`select generate_series(1, 1000000000)`, shown.Limit{Rows: 3}, 3, true},
		"as many rows": {`select generate_series(1, 3)`, shown.Limit{Rows: 3}, 3, false},
		"bytes":        {`select repeat('x', 1000), generate_series(1, 1000000)`, shown.Limit{Bytes: 5000}, 4, true},
		"none":         {`select generate_series(1, 2000)`, shown.Limit{}, 2000, false},
	} {
		t.Run(name, func(t *testing.T) {
			analyst, err := store.ReadOnly(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer analyst.Close(context.WithoutCancel(t.Context()))
			answer, err := shown.Ask(t.Context(), analyst, c.query, c.limit)
			if err != nil || len(answer.Rows) != c.rows || answer.Cut != c.cut {
				t.Errorf("%d rows, cut %v, %v", len(answer.Rows), answer.Cut, err)
			}
		})
	}
}
