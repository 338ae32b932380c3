package sweeps

import (
	"encoding/json"
	"strings"
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

// The standard level is not part of a run's identity; a search needs no more than
// the cheap diagnostics.
func TestRunSpec_Diagnosed(t *testing.T) {
	for _, c := range []struct{ level, phase, want string }{
		{"", PhaseReplicate, DiagnosticsStandard},
		{"", PhaseSearch, DiagnosticsCheap},
		{DiagnosticsFull, PhaseReplicate, DiagnosticsFull},
		{DiagnosticsFull, PhaseSearch, DiagnosticsCheap},
		{DiagnosticsOff, PhaseSearch, DiagnosticsOff},
	} {
		spec := RunSpec{Diagnostics: c.level, Phase: c.phase}
		if got := spec.Diagnosed(); got != c.want {
			t.Errorf("%q in %s: got %q, want %q", c.level, c.phase, got, c.want)
		}
		text, err := spec.Canonical()
		if err != nil || strings.Contains(string(text), `"diagnostics"`) != (c.level != "") {
			t.Errorf("%q: got %s, %v", c.level, text, err)
		}
	}
}
