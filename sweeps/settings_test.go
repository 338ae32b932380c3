package sweeps

import (
	"encoding/json"
	"maps"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSettings_JSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{}
		for i, n := 0, rapid.IntRange(0, 5).Draw(t, "n"); i < n; i++ {
			var v any
			switch rapid.IntRange(0, 3).Draw(t, "type") {
			case 0:
				v = rapid.Float64().Draw(t, "f")
			case 1:
				v = rapid.Int64().Draw(t, "i")
			case 2:
				v = rapid.Bool().Draw(t, "b")
			default:
				v = rapid.String().Draw(t, "s")
			}
			s[rapid.StringMatching(`[a-z]{1,6}`).Draw(t, "key")] = v
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Settings
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(s, back) {
			t.Fatalf("got %v, want %v", back, s)
		}
	})
	for _, v := range []any{math.NaN(), math.Inf(1), []int{1}, int32(2)} {
		if _, err := json.Marshal(Settings{"x": v}); err == nil {
			t.Errorf("%v was encoded", v)
		}
	}
	for _, text := range []string{`{"x": null}`, `{"x": [1]}`, `3`, `{"x": 1e999}`} {
		var s Settings
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s was decoded", text)
		}
	}
}
