package sweeps

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSpec(t *testing.T) {
	for _, s := range next(t, compile(t, demo(t)), nil) {
		text, err := s.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		var loose map[string]any // what a JSON store does to the order of keys
		if err := json.Unmarshal(text, &loose); err != nil {
			t.Fatal(err)
		}
		back, err := ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	for _, text := range []string{`{`, `{"version": 99}`} {
		if _, err := ParseSpec([]byte(text)); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}
