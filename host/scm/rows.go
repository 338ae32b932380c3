package scm

import (
	"math"
	"math/rand/v2"
)

// Rows are patients drawn from a Model. Arrays are row-major.
type Rows struct {
	model *Model
	// Causal, Spurious and Noise are complete, whatever is available:
	// [rows, modalities * columns of the kind].
	Causal, Spurious, Noise []float64
	// U and W are of the row's outcome and availability.
	U, W         []float64
	Labels       []float32
	Availability []uint64
}

// Len is the number of rows.
func (r *Rows) Len() int { return len(r.U) }

func (r *Rows) causal(i int) []float64 {
	width := r.model.Modalities * r.model.Causal
	return r.Causal[i*width : (i+1)*width]
}

// shift is how the law of rows differs from that of training rows.
type shift struct {
	// independent gives X_c, X_s and Y a confounder of their own, each.
	independent bool
	// reverse turns κ and γ_U around.
	reverse bool
	// masks, if not nil, are the patterns to draw from, whatever the row is.
	masks []uint64
}

// Draw draws rows of the training law; set names the draws, and two sets are
// independent.
func (m *Model) Draw(set string, rows int) *Rows { return m.draw(set, rows, shift{}) }

// DrawDo draws rows under intervention: X_c, X_s and Y have independent
// confounders, and availability has the distribution of the training masks,
// independently of everything. There P(Y = 1 | x) is Truth.
func (m *Model) DrawDo(set string, rows int, training []uint64) *Rows {
	return m.draw(set, rows, shift{independent: true, masks: training})
}

// DrawFlip draws rows in which what is spurious speaks for the other outcome: κ
// and γ_U have the opposite sign.
func (m *Model) DrawFlip(set string, rows int) *Rows {
	return m.draw(set, rows, shift{reverse: true})
}

func (m *Model) draw(set string, rows int, s shift) *Rows {
	r := m.latent(set, rows, s.independent)
	m.addSpurious(r, set, s)
	labels, width := m.stream(set, "label"), m.Modalities*m.Noise
	noise := m.stream(set, "noise")
	for i := range rows {
		score := m.b + m.effect(r.causal(i)) + m.Beta*r.U[i] + m.BetaW*r.W[i]
		y := float32(0)
		if labels.Float64() < sigmoid(score) {
			y = 1
		}
		r.Labels = append(r.Labels, y)
		for range width {
			r.Noise = append(r.Noise, noise.NormFloat64())
		}
	}
	if s.masks != nil {
		m.drawMasks(r, set, s.masks)
	} else {
		m.addAvailability(r, set, s)
	}
	return r
}

// latent draws U, W and X_c, by equation (1).
func (m *Model) latent(set string, rows int, independent bool) *Rows {
	r := &Rows{model: m, U: make([]float64, rows), W: make([]float64, rows)}
	confounder, covariate, factor, own := m.stream(set, "u"), m.stream(set, "w"), m.stream(set, "factor"), m.stream(set, "causal")
	other := m.stream(set, "u of causal")
	norm := math.Sqrt(1 + m.Omega*m.Omega)
	r.Causal = make([]float64, 0, rows*len(m.weight))
	for i := range rows {
		r.U[i], r.W[i] = confounder.NormFloat64(), covariate.NormFloat64()
		u := r.U[i]
		if independent {
			u = other.NormFloat64()
		}
		f0, f1 := factor.NormFloat64(), factor.NormFloat64()
		for j, l := range m.loading {
			x := l[0]*f0 + l[1]*f1 + math.Sqrt(.5)*own.NormFloat64() + m.Omega*m.moved[j]*u
			r.Causal = append(r.Causal, x/norm)
		}
	}
	return r
}

// addSpurious draws X_s, by equation (2).
func (m *Model) addSpurious(r *Rows, set string, s shift) {
	kappa := m.Kappa
	if s.reverse {
		kappa = -kappa
	}
	own, other := m.stream(set, "spurious"), m.stream(set, "u of spurious")
	rest := math.Sqrt(1 - kappa*kappa)
	for _, u := range r.U {
		if s.independent {
			u = other.NormFloat64()
		}
		for j, sign := range m.sign {
			x := kappa*sign*u + rest*own.NormFloat64()
			if m.Link == Product {
				// The first of a pair is noise, whose sign decides how the second reads.
				if before := len(r.Spurious) - 1; j%2 == 0 {
					x = own.NormFloat64()
				} else {
					x = math.Copysign(1, r.Spurious[before]) * x
				}
			}
			r.Spurious = append(r.Spurious, x)
		}
	}
}

// addAvailability draws δ, by equation (4), again while a row misses all.
func (m *Model) addAvailability(r *Rows, set string, s shift) {
	gammaU := m.GammaU
	if s.reverse {
		gammaU = -gammaU
	}
	masks := m.stream(set, "availability")
	p := make([]float64, m.Modalities)
	for i := range r.U {
		for k := range p {
			p[k] = sigmoid(m.a[k] + m.lean(k, gammaU, r.U[i], r.W[i], r.causal(i)) + m.GammaY*float64(2*r.Labels[i]-1))
		}
		r.Availability = append(r.Availability, anyOf(masks, p))
	}
}

// anyOf draws a mask with the given chances that is not empty.
func anyOf(r *rand.Rand, p []float64) uint64 {
	for {
		var mask uint64
		for k, chance := range p {
			if r.Float64() < chance {
				mask |= 1 << k
			}
		}
		if mask != 0 {
			return mask
		}
	}
}

func (m *Model) drawMasks(r *Rows, set string, from []uint64) {
	masks := m.stream(set, "availability")
	for range r.U {
		r.Availability = append(r.Availability, from[masks.IntN(len(from))])
	}
}

// withMasks are the same rows with other availability.
func (r *Rows) withMasks(of func(i int) uint64) *Rows {
	out := *r
	out.Availability = make([]uint64, r.Len())
	for i := range out.Availability {
		out.Availability[i] = of(i)
	}
	return &out
}

// AtRate returns the same rows with modalities missing completely at random, at
// a rate; set names the draws.
func (r *Rows) AtRate(set string, rate float64) *Rows {
	masks, p := r.model.stream(set, "availability"), make([]float64, r.model.Modalities)
	for k := range p {
		p[k] = 1 - rate
	}
	return r.withMasks(func(int) uint64 { return anyOf(masks, p) })
}

// Swapped returns the same rows with the identities of the modalities exchanged
// in the masks: modality m is available where m+1 was, the last where the first
// was.
func (r *Rows) Swapped() *Rows {
	n := r.model.Modalities
	return r.withMasks(func(i int) uint64 {
		mask := r.Availability[i]
		return mask>>1 | mask&1<<(n-1)
	})
}
