package scm

import (
	"math"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	// outcomeVariance is Var(wᵀX_c).
	outcomeVariance = 2.5
	// interaction is the weight of a product of the nonlinear outcome.
	interaction = .5
	// pilotRows fix the intercepts.
	pilotRows = 20000
)

// Model is a configuration with the constants that a dataset seed draws. It is
// read-only and may be shared by goroutines.
type Model struct {
	Config
	seed uint64
	// By causal column, modality after modality.
	loading [][2]float64 // Λ
	moved   []float64    // g
	weight  []float64    // w
	sign    []float64    // Γ, by spurious column
	mixing  [][2][]float64
	b       float64
	a       []float64
}

// New draws the constants of a dataset seed.
func New(c Config, seed uint64) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, seed: seed}
	columns := c.Modalities * c.Causal
	angles, signs, weights := m.stream("loading"), m.stream("moved"), m.stream("weight")
	for range columns {
		sin, cos := math.Sincos(2 * math.Pi * angles.Float64())
		m.loading = append(m.loading, [2]float64{math.Sqrt(.5) * cos, math.Sqrt(.5) * sin})
		m.moved = append(m.moved, float64(2*signs.IntN(2)-1))
		m.weight = append(m.weight, weights.NormFloat64())
	}
	spurious := m.stream("sign")
	for range c.Modalities * c.Spurious {
		m.sign = append(m.sign, float64(2*spurious.IntN(2)-1))
	}
	variance := 0.0
	for i, w := range m.weight {
		for j, v := range m.weight {
			variance += w * v * m.covariance(i, j)
		}
	}
	scale := math.Sqrt(outcomeVariance / variance)
	for i := range m.weight {
		m.weight[i] *= scale
	}
	m.mix()
	m.intercepts()
	return m, nil
}

// stream is keyed by the dataset seed and by what is drawn, not by the knobs:
// datasets of one seed that differ in a knob share every other draw.
func (m *Model) stream(labels ...any) *rand.Rand {
	return rng.Stream(m.seed, append([]any{"mm_conf"}, labels...)...)
}

// covariance is Σ_ij = Cov(X_c[i], X_c[j]) =
// (Λ_i·Λ_j, or 1 if i = j, + ω² g_i g_j) / (1 + ω²), by equation (1).
func (m *Model) covariance(i, j int) float64 {
	if i == j {
		return 1
	}
	common := m.loading[i][0]*m.loading[j][0] + m.loading[i][1]*m.loading[j][1]
	omega := m.Omega * m.Omega
	return (common + omega*m.moved[i]*m.moved[j]) / (1 + omega)
}

// effect is f(X_c) of equation (3).
func (m *Model) effect(causal []float64) float64 {
	sum := 0.0
	for j, x := range causal {
		sum += m.weight[j] * x
	}
	for _, p := range m.products() {
		sum += interaction * causal[p[0]] * causal[p[1]]
	}
	return sum
}

// products lists the pairs of columns that the outcome multiplies.
func (m *Model) products() [][2]int {
	if m.Outcome != Nonlinear {
		return nil
	}
	var out [][2]int
	for k := range m.Modalities - 1 {
		out = append(out, [2]int{k * m.Causal, (k+1)*m.Causal + 1})
	}
	return out
}

// lean is what moves the availability of modality k, without a_k and the label.
func (m *Model) lean(k int, gammaU, u, w float64, causal []float64) float64 {
	own := 0.0
	for _, x := range causal[k*m.Causal : (k+1)*m.Causal] {
		own += x
	}
	return gammaU*u + m.GammaW*w + m.GammaX*own/math.Sqrt(float64(m.Causal))
}

// intercepts finds b and a_m by bisection on a pilot sample, in which the label
// is represented by its probability.
func (m *Model) intercepts() {
	pilot := m.latent("pilot", pilotRows, false)
	score := make([]float64, pilotRows)
	for i := range score {
		score[i] = m.effect(pilot.causal(i)) + m.Beta*pilot.U[i] + m.BetaW*pilot.W[i]
	}
	mean := func(f func(i int) float64) float64 {
		sum := 0.0
		for i := range pilotRows {
			sum += f(i)
		}
		return sum / pilotRows
	}
	m.b = bisect(func(b float64) float64 {
		return mean(func(i int) float64 { return sigmoid(b + score[i]) }) - m.Prevalence
	})
	positive, lean := make([]float64, pilotRows), make([]float64, pilotRows)
	for i := range positive {
		positive[i] = sigmoid(m.b + score[i])
	}
	m.a = make([]float64, m.Modalities)
	for k := range m.a {
		for i := range lean {
			lean[i] = m.lean(k, m.GammaU, pilot.U[i], pilot.W[i], pilot.causal(i))
		}
		m.a[k] = bisect(func(a float64) float64 {
			return mean(func(i int) float64 {
				z, p := a+lean[i], positive[i]
				return p*sigmoid(z+m.GammaY) + (1-p)*sigmoid(z-m.GammaY)
			}) - (1 - m.Missing)
		})
	}
}

// bisect finds the root of an increasing function in [-20, 20].
func bisect(f func(float64) float64) float64 {
	low, high := -20.0, 20.0
	for range 50 {
		if mid := (low + high) / 2; f(mid) < 0 {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

func sigmoid(z float64) float64 {
	if z >= 0 {
		return 1 / (1 + math.Exp(-z))
	}
	e := math.Exp(z)
	return e / (1 + e)
}
