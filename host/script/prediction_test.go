package script

import (
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

func TestParsePredictions(t *testing.T) {
	want := addressed{7: 0, -9223372036854775807: 1, 9: 2}
	got, err := parsePredictions(strings.NewReader("label,score,row\n1,0.5,9\n0,1e-3,7\n,1,-9223372036854775807\n"), want, 1, false)
	if err != nil || !slices.Equal(got, []float32{1e-3, 1, 0.5}) {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = parsePredictions(strings.NewReader("row,score_0,score_1\n7,0.25,0.75\n9,1,0\n-9223372036854775807,0,1\n"), want, 2, true)
	if err != nil || !slices.Equal(got, []float32{0.25, 0.75, 0, 1, 1, 0}) {
		t.Errorf("got %v, %v", got, err)
	}
	for name, c := range map[string]struct {
		text    string
		outputs int
		code    sdk.Code
		parts   []string
	}{
		"empty":      {"", 1, sdk.CodeBadRequest, []string{"header"}},
		"column":     {"row,p\n7,0.5\n", 1, sdk.CodeBadShape, []string{`"score"`}},
		"classes":    {"row,score\n7,0.5\n", 3, sdk.CodeBadShape, []string{`"score_0"`}},
		"missing":    {"row,score\n7,0.5\n", 1, sdk.CodeBadShape, []string{"2 of 3", "-9223372036854775807"}},
		"unknown":    {"row,score\n7,0.5\n8,0.5\n", 1, sdk.CodeBadRequest, []string{"line 3", "row 8", "neither"}},
		"twice":      {"row,score\n7,0.5\n7,0.5\n", 1, sdk.CodeBadRequest, []string{"line 3", "row 7", "twice"}},
		"float key":  {"row,score\n7.0,0.5\n", 1, sdk.CodeBadRequest, []string{"line 2", `"7.0"`, "float"}},
		"nan":        {"row,score\n7,nan\n", 1, sdk.CodeNotFinite, []string{"line 2", "row 7", "NaN"}},
		"no number":  {"row,score\n7,\n", 1, sdk.CodeNotFinite, []string{"row 7", `""`}},
		"logit":      {"row,score\n7,1.5\n", 1, sdk.CodeNotFinite, []string{"1.5", "probability"}},
		"infinite":   {"row,score\n7,-inf\n", 1, sdk.CodeNotFinite, []string{"-Inf"}},
		"sum":        {"row,score_0,score_1\n7,0.5,0.6\n", 2, sdk.CodeBadRequest, []string{"row 7", "1.1"}},
		"ragged":     {"row,score\n7\n", 1, sdk.CodeBadRequest, []string{"line 2"}},
		"not a text": {"row,score\n7,\"0.5\n", 1, sdk.CodeBadRequest, []string{"line 2"}},
	} {
		_, err := parsePredictions(strings.NewReader(c.text), want, c.outputs, true)
		if sdk.CodeOf(err) != c.code {
			t.Errorf("%s: got %v (%s), want %s", name, err, sdk.CodeOf(err), c.code)
			continue
		}
		for _, part := range c.parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %q, without %q", name, err, part)
			}
		}
	}
	// Labels are not exclusive.
	if _, err := parsePredictions(strings.NewReader("row,score_0,score_1\n7,1,1\n"), addressed{7: 0}, 2, false); err != nil {
		t.Error(err)
	}
}
