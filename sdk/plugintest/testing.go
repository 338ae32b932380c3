package plugintest

import (
	"context"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

// Backbone runs the suite on a backbone in this process, one subtest a check.
func Backbone(t *testing.T, plugin sdk.Backbone) {
	t.Helper()
	report(t, func(o Options) { CheckBackbone(context.Background(), plugin, o) })
}

// Strategy runs the suite on a strategy in this process, one subtest a check.
func Strategy(t *testing.T, plugin sdk.Strategy) {
	t.Helper()
	report(t, func(o Options) { CheckStrategy(context.Background(), plugin, o) })
}

// Sampler runs the suite on a sampler in this process, one subtest a check.
func Sampler(t *testing.T, plugin sdk.Sampler) {
	t.Helper()
	report(t, func(o Options) { CheckSampler(context.Background(), plugin, o) })
}

func report(t *testing.T, suite func(Options)) {
	t.Helper()
	suite(Options{Report: func(r Result) {
		t.Run(r.Name, func(t *testing.T) {
			switch {
			case r.Status == Skip:
				t.Skip(r.Message)
			case r.Status == Fail:
				t.Errorf("%s\n%s", r.Message, r.Detail)
			case r.Detail != "":
				t.Log(r.Detail)
			}
		})
	}})
}
