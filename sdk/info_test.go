package sdk

import (
	"strings"
	"testing"
)

func TestInfo_Complete(t *testing.T) {
	info := Info{Kind: KindBackbone, Name: "concat", Version: "1.0.0", Hyperparameters: []Hyperparameter{
		{Name: "dropout", Type: Float, Default: 0.1, Max: 0.9},
		{Name: "layers", Type: Int, Default: 2, Min: 1, Max: 8},
	}}
	if err := info.Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := info.Complete(map[string]any{"layers": 3})
	if err != nil {
		t.Fatal(err)
	}
	if got.Float("dropout") != 0.1 || got.Int("layers") != 3 {
		t.Errorf("got %v", got)
	}
	if _, err := info.Complete(map[string]any{"droput": 0.2}); err == nil || !strings.Contains(err.Error(), `did you mean "dropout"`) {
		t.Errorf("got %v, want a suggestion", err)
	}
	if _, err := info.Complete(map[string]any{"temperature": 1}); err == nil || !strings.Contains(err.Error(), "[dropout layers]") {
		t.Errorf("got %v, want the list of names", err)
	}
	info.Hyperparameters = append(info.Hyperparameters, info.Hyperparameters[0])
	if err := info.Validate(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v, want a duplicate", err)
	}
}
