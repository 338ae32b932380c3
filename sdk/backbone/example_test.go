package backbone_test

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

// average is the whole model of a plugin: the sum of the embeddings of the
// observed modalities, through a linear map.
type average struct {
	params   nn.Params
	encoders *encoder.Set
	out      *nn.Linear
}

func newAverage(c backbone.Config) (backbone.Model, error) {
	m := &average{}
	m.encoders = encoder.For(&m.params, c, c.Width)
	m.out = nn.NewLinear(&m.params, "out", c.Width, c.Width, c.Rand("out"))
	return backbone.FromTape(m), nil
}

func (m *average) Params() *nn.Params { return &m.params }

func (m *average) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	return m.out.Apply(t, t.Sum(m.encoders.Encode(t, b)...)), nil
}

// The main function of the plugin is serve.Backbone(plugin).
func Example() {
	plugin := backbone.New(sdk.Info{
		Name:            "average",
		Version:         "1.0.0",
		Licence:         "Apache-2.0",
		Hyperparameters: encoder.Hyperparameters(),
		Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
	}, newAverage)

	var response sdk.InfoResponse
	if err := plugin.Info(context.Background(), sdk.InfoRequest{}, &response); err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range response.Info.Hyperparameters {
		fmt.Println(response.Info.Name, h.Name, h.Default)
	}
	// Output:
	// average hidden 64
	// average dropout 0.25
}
