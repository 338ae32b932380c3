package scm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Version of the generator is part of every hash: it changes when the same knobs
// and seed no longer give the same bits.
const Version = 1

// Shapes of the outcome, see f of equation (3).
const (
	Linear    = "linear"
	Nonlinear = "nonlinear"
)

// Product is a shape of U's effect on the spurious columns beside Linear, see
// equation (2).
const Product = "product"

// What is done to the columns [X_c; X_s; X_n] of a modality before a model sees
// them.
const (
	// None leaves them as they are, side by side.
	None = "none"
	// Orthogonal rotates them by a random orthogonal matrix, which is drawn once
	// for each dataset seed and modality: which part is causal must be learned.
	Orthogonal = "orthogonal"
	// Warp rotates, bends each column by z + ½ tanh 2z, and rotates again.
	Warp = "warp"
)

// Config are the knobs. Everything but the dataset seed that decides the bits of
// a dataset is here.
type Config struct {
	// Modalities is M; each has Causal + Spurious + Noise columns.
	Modalities, Causal, Spurious, Noise int
	// Kappa is κ, Omega ω, Beta β of U and BetaW of W, in equations (1) to (3).
	Kappa, Omega, Beta, BetaW float64
	// GammaU, GammaW, GammaX and GammaY are of equation (4).
	GammaU, GammaW, GammaX, GammaY float64
	// Missing is the rate ρ, Prevalence the mean of Y.
	Missing, Prevalence float64
	// Outcome is Linear or Nonlinear, Link Linear or Product, Mixing None,
	// Orthogonal or Warp.
	Outcome, Link, Mixing string
	// Sequences of the modalities, the last ones, are sequences of 2 to Length
	// steps whose mean is the row of columns; the deviations are noise.
	Sequences, Length int
	// Rows are for training, ValidationRows for validation, TestRows in each test
	// set.
	Rows, ValidationRows, TestRows int
}

// Default is scenario S0: nothing is confounded.
func Default() Config {
	return Config{
		Modalities: 3, Causal: 4, Spurious: 4, Noise: 4, Beta: 1.5, Missing: .3, Prevalence: .2,
		Outcome: Linear, Link: Linear, Mixing: None, Length: 8, Rows: 20000, ValidationRows: 4000, TestRows: 4000,
	}
}

// Columns is the number of columns of a modality.
func (c Config) Columns() int { return c.Causal + c.Spurious + c.Noise }

// Validate reports knobs that are out of range or exclude each other. Its errors
// begin with the name of the knob.
func (c Config) Validate() error {
	for _, k := range c.knobs() {
		if err := k.check(); err != nil {
			return err
		}
	}
	switch {
	case c.Outcome == Nonlinear && (c.Modalities < 2 || c.Modalities > maxNonlinear):
		return fmt.Errorf("outcome is nonlinear: its truth is computed for 2 to %d modalities, not %d", maxNonlinear, c.Modalities)
	case c.Outcome == Nonlinear && c.Causal < 2:
		return fmt.Errorf("outcome is nonlinear: it needs 2 causal columns a modality, not %d", c.Causal)
	case c.Link == Product && c.Spurious%2 != 0:
		return fmt.Errorf("link is product: it needs pairs of spurious columns, not %d a modality", c.Spurious)
	case c.Sequences > c.Modalities:
		return fmt.Errorf("sequences is %d, more than the %d modalities", c.Sequences, c.Modalities)
	}
	return nil
}

// Hash identifies everything but the dataset seed.
func (c Config) Hash() string {
	// Keys in alphabetical order, floats in their shortest form: one text for one
	// set of knobs.
	text, err := json.Marshal(c.Settings())
	if err != nil {
		panic("scm: settings are plain values: " + err.Error())
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "mm_conf %d\n%s\n", Version, text))
	return hex.EncodeToString(sum[:])
}

// DatasetHash identifies the dataset of a seed: knobs, seed and version decide
// every bit of it.
func (c Config) DatasetHash(seed uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s seed %d\n", c.Hash(), seed))
	return hex.EncodeToString(sum[:])
}
