package sdk

// Mode tells training from everything else.
type Mode uint8

const (
	// Eval: no dropout, running statistics, no labels, no Backward follows.
	Eval Mode = iota
	// Train: a Backward for this batch may follow.
	Train
)

func (m Mode) String() string {
	if m == Train {
		return "train"
	}
	return "eval"
}

// ForwardRequest asks for the representation of B rows.
type ForwardRequest struct {
	// Rows are row numbers in the feature store; a row may occur more than once.
	Rows []int32
	// Availability has one mask per row, bit m = modality m. It may differ from
	// the data's; a set bit is never one that the data lacks.
	Availability []uint64
	Mode         Mode
	// Step numbers the training steps of the run and keys random draws together
	// with the session's seed.
	Step uint64
	// Labels are the labels of the rows, [B * Task.LabelWidth()], only in Train
	// mode and only if Capabilities.NeedsLabels; else nil.
	Labels []float32
}

// ForwardResponse is the answer.
type ForwardResponse struct {
	// H is the representation, [B, Width], finite.
	H Tensor
	// ModalityEmbeddings is optional, [B, modalities, d]: what each modality
	// contributed before fusion, zero where it is not available. A plugin that
	// fills it declares Capabilities.ModalityEmbeddings.
	ModalityEmbeddings Tensor
}
