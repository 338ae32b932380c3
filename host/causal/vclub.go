package causal

import (
	"math"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// vclub is the variational contrastive log-ratio upper bound of I(z_c; z_b)
// (CLUB, Cheng et al., ICML 2020):
//
//	mean_i log q(b_i | c_i) - mean_ij log q(b_j | c_i),  q(b|c) = N(mu(c), exp s(c))
//
// where mu and s are Linear-ReLU-Linear, s with a final tanh. Before it is used,
// q takes a few steps of its own on the log likelihood, with z_c and z_b fixed.
// It can be negative while q is poor.
type vclub struct {
	group      *group
	steps      int
	mean, log  [2]*nn.Linear
	inner, own *nn.Tape
}

func newVCLUB(cfg Config) (*vclub, error) {
	d := cfg.DualBranch
	v := &vclub{steps: d.InnerSteps, inner: nn.NewTape(), own: nn.NewTape()}
	r := rng.Stream(cfg.Seed, "init", "vclub")
	optimizer := nn.OptimizerConfig{Name: "adam", LearningRate: d.InnerLearningRate}
	var err error
	v.group, err = newGroup("vclub", optimizer, func(ps *nn.Params) {
		for i, net := range []*[2]*nn.Linear{&v.mean, &v.log} {
			name := []string{"mean", "log_variance"}[i]
			net[0] = nn.NewLinear(ps, name+".1", cfg.Width, d.InnerWidth, r)
			net[1] = nn.NewLinear(ps, name+".2", d.InnerWidth, cfg.Width, r)
		}
	})
	return v, err
}

// networks returns mu and s. Without train, q's parameters are constants.
func (v *vclub) networks(t *nn.Tape, c *nn.Var, train bool) (mu, s *nn.Var) {
	layer := func(l *nn.Linear, x *nn.Var) *nn.Var {
		w, b := t.Param(l.Weight), t.Param(l.Bias)
		if !train {
			w, b = t.Detach(w), t.Detach(b)
		}
		return t.Linear(x, w, b)
	}
	mu = layer(v.mean[1], t.ReLU(layer(v.mean[0], c)))
	s = t.Tanh(layer(v.log[1], t.ReLU(layer(v.log[0], c))))
	return mu, s
}

// fit takes one step of q on the weighted log likelihood and returns it, without
// the constant.
func (v *vclub) fit(c, b []float32, width int, share []float64) float64 {
	rows := len(share)
	v.inner.Reset()
	mu, s := v.networks(v.inner, v.inner.Const(rows, width, c), true)
	likelihood := 0.0
	for i, w := range share {
		if w == 0 {
			continue
		}
		for j := i * width; j < (i+1)*width; j++ {
			precision := math.Exp(-float64(s.Value[j]))
			miss := float64(mu.Value[j]) - float64(b[j])
			likelihood -= w * (miss*miss*precision + float64(s.Value[j])) / 2
			mu.Grad[j] = float32(w * miss * precision)
			s.Grad[j] = float32(w * (1 - miss*miss*precision) / 2)
		}
	}
	v.group.params.ZeroGrad()
	v.inner.Backward()
	v.group.optimizer.Step()
	return likelihood
}

func (v *vclub) apply(c, b []float32, width int, share []float64, scale float64, dc, db []float32) float64 {
	if len(present(share)) < 2 {
		return 0
	}
	for range v.steps {
		v.fit(c, b, width, share)
	}
	return v.bound(c, b, width, share, scale, dc, db)
}

// bound returns the estimate for the present q and adds scale times its gradient
// to dc and db. The double mean needs only the moments of b: with m1 and m2 the
// weighted means of b and b^2, mean_j (mu-b_j)^2 = mu^2 - 2 mu m1 + m2.
func (v *vclub) bound(c, b []float32, width int, share []float64, scale float64, dc, db []float32) float64 {
	rows := len(share)
	m1, m2 := make([]float64, width), make([]float64, width)
	for i, w := range share {
		for j := range width {
			if x := float64(b[i*width+j]); w != 0 {
				m1[j] += w * x
				m2[j] += w * x * x
			}
		}
	}
	v.own.Reset()
	leaf := v.own.Leaf(rows, width, c)
	mu, s := v.networks(v.own, leaf, false)
	value := 0.0
	precisions, pulls := make([]float64, width), make([]float64, width)
	for i, w := range share {
		if w == 0 {
			continue
		}
		for j := range width {
			at := i*width + j
			x, m, precision := float64(b[at]), float64(mu.Value[at]), math.Exp(-float64(s.Value[at]))
			gap := m*m - 2*m*m1[j] + m2[j] - (m-x)*(m-x)
			value += w * gap * precision / 2
			mu.Grad[at] = float32(scale * w * precision * (x - m1[j]))
			s.Grad[at] = float32(-scale * w * gap * precision / 2)
			precisions[j] += w * precision
			pulls[j] += w * precision * m
			db[at] += float32(scale * w * precision * (m - x))
		}
	}
	for i, w := range share {
		if w == 0 {
			continue
		}
		for j := range width {
			at := i*width + j
			db[at] += float32(scale * w * (precisions[j]*float64(b[at]) - pulls[j]))
		}
	}
	v.own.Backward()
	for i, w := range share {
		if w == 0 {
			continue
		}
		for j := i * width; j < (i+1)*width; j++ {
			dc[j] += leaf.Grad[j]
		}
	}
	return value
}
