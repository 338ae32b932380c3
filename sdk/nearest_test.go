package sdk

import (
	"testing"
)

func TestNearest(t *testing.T) {
	names := []string{"concat", "transformer", "multimodn"}
	for in, want := range map[string]string{"conact": "concat", "transfomer": "transformer", "xyz": "", "": "", "multimodal": "multimodn"} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
