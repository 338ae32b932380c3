package strategy

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
)

// Rule is a debiasing rule of one session. It implements any of
//
//	Augmenter    changes which modalities the backbone sees of a training row
//	Weigher      gives training rows weights
//	Penalizer    adds a penalty on h or on the logits, with its gradient
//	Resetter     has the optimisers start anew at a step
//	Stateful     has state that a checkpoint must keep
//
// and, if the Info declares the capability, of
//
//	Stager       trains in stages (Stages)
//	Mixer        mixes rows of a batch (Mixes)
//	Fitter       corrects predictions after training (PostHoc)
//
// Methods are called by one goroutine at a time.
type Rule any

// Augmenter changes the availability of training rows.
type Augmenter interface {
	// Augment returns the availability that the backbone is shown: of every row a
	// non-empty subset of what it has. It must not change the argument. r is keyed
	// by the session's seed and the step.
	Augment(availability []uint64, r *rand.Rand) []uint64
}

// Weigher weighs the rows of a training batch.
type Weigher interface {
	// Weights returns one finite, non-negative weight a row; the host minimises
	// the weighted mean loss.
	Weights(batch Batch) (weights []float32, terms []sdk.Term, err error)
}

// Penalizer adds a penalty to the loss of a batch.
type Penalizer interface {
	// Penalty returns the value and its gradients with respect to h
	// [rows, width] and the logits [rows, outputs]; a nil gradient is zero.
	Penalty(batch Batch) (value float64, dh, dlogits []float32, terms []sdk.Term, err error)
}

// Resetter has the optimisers of head and backbone start anew.
type Resetter interface {
	// Reset reports whether they do so before the update of a step. It depends on
	// nothing but the step.
	Reset(step uint64) bool
}

// Stateful is a rule with state beyond its configuration.
type Stateful interface {
	State() ([]byte, error)
	SetState([]byte) error
}

// Stager is a rule that trains in stages.
type Stager interface {
	// Stages are the stages after the first; see [sdk.Stage].
	Stages() []sdk.Stage
	// Begin is called once before the first step of a stage, counted from 1;
	// predictions are the probabilities of all training rows, [N * outputs], valid
	// during the call.
	Begin(stage int, predictions []float32) ([]sdk.Term, error)
}

// Mixer is a rule that mixes rows of a batch; see [sdk.MixResponse] for what that
// does. What the rule has of weights and penalties then sees the 2B labelled halves.
type Mixer interface {
	// Mix answers for every row a place in the batch and the share that the row
	// keeps of itself. H, Logits and RowLoss of the batch are empty. r is keyed by
	// the session's seed and the step.
	Mix(batch Batch, r *rand.Rand) (partner []int32, share []float32)
}

// Fitter is a rule that corrects predictions after training.
type Fitter interface {
	// Fit learns from validation rows and forgets an earlier fit.
	Fit(rows Held) ([]sdk.Term, error)
	// Adjust answers probabilities, [rows * outputs], each of its own row alone. It
	// is called after Fit; Labels and Groups are nil.
	Adjust(rows Held) ([]float32, []sdk.Term, error)
}

// Held are rows that were not trained on. The slices belong to the session and are
// valid during the call.
type Held struct {
	// Predictions are the model's probabilities, [rows, outputs].
	Predictions sdk.Tensor
	// H is [rows, width], absent unless the rule predicts from it.
	H            sdk.Tensor
	Availability []uint64
	Labels       []float32
	Groups       []int32
}

// Batch is what a rule sees of one training step. The slices belong to the
// session and are valid during the call.
type Batch struct {
	// Rows are positions in the training split.
	Rows []int32
	// H is [rows, width], Logits [rows, outputs].
	H, Logits sdk.Tensor
	// RowLoss is the unweighted loss of every row.
	RowLoss []float32
	// Labels are the training labels of the rows, as in the open request.
	Labels       []float32
	Availability []uint64
	// Groups are the group numbers of the rows.
	Groups []int32
	Step   uint64
}
