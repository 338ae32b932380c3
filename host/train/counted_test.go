package train_test

import (
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// A setting that counts more steps or epochs than the tested model was trained for is
// a warning; one within is none.
func TestRun_WarnsOfWhatIsNotReached(t *testing.T) {
	d := data(t, cohort(t, 400))
	cfg := config(1)
	cfg.Epochs = 1 // of four steps
	cfg.Strategy = map[string]any{"long": int64(4), "short": int64(3), "epochs": 1.0, "other": int64(1000)}
	o := &opener{info: sdk.Info{Name: "tilt", Hyperparameters: []sdk.Hyperparameter{
		{Name: "long", Type: sdk.Int, Default: int64(1), Unit: sdk.Steps},
		{Name: "short", Type: sdk.Int, Default: int64(1), Unit: sdk.Steps},
		{Name: "epochs", Type: sdk.Float, Default: 1.0, Unit: sdk.Epochs},
		{Name: "other", Type: sdk.Int, Default: int64(1)},
	}}}
	o.strategy = strategy.New(o.info, func(strategy.Config) (strategy.Rule, error) { return &tilt{}, nil })
	outcome, _ := finish(t, cfg, d, o, 100)
	steps := float64((len(d.Split.Train) + cfg.BatchSize - 1) / cfg.BatchSize)
	want := map[string]float64{"schedule/strategy.epochs": 1}
	if steps <= 4 {
		want["schedule/strategy.long"] = steps
	}
	got := map[string]train.Diagnostic{}
	for _, x := range outcome.Diagnostics {
		if strings.HasPrefix(x.Name, "schedule/") {
			got[x.Name] = x
		}
	}
	if len(got) != len(want) || steps != 4 {
		t.Errorf("got %+v of %v steps, want %v", got, steps, want)
	}
	for name, reached := range want {
		if x := got[name]; x.Estimate != reached || x.Verdict != "warn" {
			t.Errorf("%s: got %+v, want %v reached", name, x, reached)
		}
	}
}
