package sdk

// TaskKind is the kind of label.
type TaskKind string

const (
	Binary     TaskKind = "binary"     // one sigmoid logit, label 0 or 1
	Multiclass TaskKind = "multiclass" // Classes softmax logits, label = class index
	Multilabel TaskKind = "multilabel" // Classes sigmoid logits, Classes labels a row; NaN = unknown
)

// Task says what is predicted.
type Task struct {
	Kind    TaskKind
	Classes int
}

// Outputs is the number of logits a row.
func (t Task) Outputs() int {
	if t.Kind == Binary {
		return 1
	}
	return t.Classes
}

// LabelWidth is the number of label values a row.
func (t Task) LabelWidth() int {
	if t.Kind == Multilabel {
		return t.Classes
	}
	return 1
}

// Validate refuses an unknown kind or too few classes with code bad_request.
func (t Task) Validate() error {
	switch t.Kind {
	case Binary:
		return nil
	case Multiclass:
		if t.Classes < 2 {
			return Errorf(CodeBadRequest, "a multiclass task has %d classes, it needs at least 2", t.Classes)
		}
	case Multilabel:
		if t.Classes < 1 {
			return Errorf(CodeBadRequest, "a multilabel task has %d classes, it needs at least 1", t.Classes)
		}
	default:
		return Errorf(CodeBadRequest, "unknown task kind %q", t.Kind)
	}
	return nil
}
