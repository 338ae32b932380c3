package causal

import (
	"errors"
	"fmt"

	"github.com/deconfound/deconfound/sdk/nn"
)

// Config is what a head is built from.
type Config struct {
	Task Task
	// Width is the number of columns of h, the biased part included.
	Width int
	// Biased is how many of them, the last ones, are the biased part of the row
	// that the caller computed by Separation. Only for DualBranch.UsesBiased; 0
	// where nothing is erased, and the head is then the one without dual branch.
	Biased int
	// Modalities is the number of bits of an availability, at most 64.
	Modalities int
	// Missingness and DualBranch switch the components on; nil is off. They come
	// from ParseMissingness and ParseDualBranch.
	Missingness *Missingness
	DualBranch  *DualBranch
	// Hidden is the width of the hidden layer of every classifier; 0 makes them
	// linear. Dropout applies to that layer.
	Hidden  int
	Dropout float64
	// Optimizer is used for every part of the head but the variational network of
	// the vclub penalty.
	Optimizer nn.OptimizerConfig
	// Epochs is the planned length of training: stages start at shares of it.
	Epochs int
	// Seed keys every draw.
	Seed uint64
}

// Training is what the head may know of the training rows, by position in the
// training split. It is never written to, and must not change.
type Training struct {
	Availability []uint64
	// Labels are Task.LabelWidth() values a row.
	Labels []float32
	// Covariates are CovariateWidth standardised, always observed values a row.
	Covariates     []float32
	CovariateWidth int
	// Biased holds the Config.Biased columns of every row.
	Biased []float32
}

func (c Config) validate() error {
	if err := c.Task.validate(); err != nil {
		return err
	}
	switch {
	case c.Width < 1:
		return fmt.Errorf("the width of h is %d, it must be at least 1", c.Width)
	case c.Biased < 0 || c.Biased >= c.Width || (c.Biased > 0 && !c.DualBranch.UsesBiased()):
		return fmt.Errorf("%d of the %d columns of h are the biased part", c.Biased, c.Width)
	case c.Modalities < 1 || c.Modalities > 64:
		return fmt.Errorf("%d modalities; a head takes 1 to 64", c.Modalities)
	case c.Hidden < 0:
		return fmt.Errorf("head.hidden is %d, it must not be negative", c.Hidden)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("head.dropout is %v, it must be at least 0 and less than 1", c.Dropout)
	case c.Epochs < 1:
		return fmt.Errorf("run.epochs is %d, it must be at least 1", c.Epochs)
	case c.Missingness != nil && c.Missingness.Mode == "":
		return errors.New("missingness settings are empty; build them with ParseMissingness")
	case c.DualBranch != nil && c.DualBranch.Split == "":
		return errors.New("dual branch settings are empty; build them with ParseDualBranch")
	}
	if c.Missingness != nil {
		if err := c.Missingness.validate(); err != nil {
			return err
		}
	}
	return Compatible(c.Missingness, c.DualBranch, c.Task, c.Modalities)
}

func (t Training) validate(task Task, biased int) error {
	n := len(t.Availability)
	switch {
	case n == 0:
		return errors.New("there are no training rows")
	case len(t.Labels) != n*task.LabelWidth():
		return fmt.Errorf("%d labels for %d training rows, want %d a row", len(t.Labels), n, task.LabelWidth())
	case t.CovariateWidth < 0 || len(t.Covariates) != n*t.CovariateWidth:
		return fmt.Errorf("%d covariates for %d training rows, want %d a row", len(t.Covariates), n, t.CovariateWidth)
	case len(t.Biased) != n*biased:
		return fmt.Errorf("%d values of the biased part for %d training rows, want %d a row", len(t.Biased), n, biased)
	}
	return task.checkLabels(t.Labels)
}

// layout identifies the configuration a snapshot belongs to.
func (c Config) layout(rows int) string {
	m, d := "off", "off"
	if c.Missingness != nil {
		m = fmt.Sprintf("%+v", *c.Missingness)
	}
	if c.DualBranch != nil {
		d = fmt.Sprintf("%+v", *c.DualBranch)
	}
	return fmt.Sprintf("%+v width=%d biased=%d modalities=%d hidden=%d dropout=%v epochs=%d seed=%d rows=%d optimizer=%+v missingness=%s dual_branch=%s",
		c.Task, c.Width, c.Biased, c.Modalities, c.Hidden, c.Dropout, c.Epochs, c.Seed, rows, c.Optimizer, m, d)
}
