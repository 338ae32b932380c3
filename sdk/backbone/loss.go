package backbone

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Loss is the loss of each of the given rows of a training batch (positions) when
// their labels are predicted by logits [len(rows), Task.Outputs()], [len(rows), 1]:
// the cross-entropy, the binary one if the task is not multiclass. Unknown labels do
// not count. It is for auxiliary losses of models that declare NeedsLabels.
func (b *Batch) Loss(t *nn.Tape, task sdk.Task, logits *nn.Var, rows []int32) *nn.Var {
	if task.Kind == sdk.Multiclass {
		class := b.loader.ints.take(len(rows))
		for i, r := range rows {
			class[i] = int32(b.Labels[r])
		}
		return t.CrossEntropy(logits, class)
	}
	width := task.LabelWidth()
	targets := b.loader.floats.take(len(rows) * width)
	for i, r := range rows {
		copy(targets[i*width:(i+1)*width], b.Labels[int(r)*width:(int(r)+1)*width])
	}
	return t.BCE(logits, targets)
}

// All are the positions of all rows of the batch, 0 to Size-1.
func (b *Batch) All() []int32 {
	all := b.loader.ints.take(b.Size)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}
