package sdk

import (
	"errors"
	"testing"
)

func TestError_Is(t *testing.T) {
	err := error(Errorf(CodeDeadline, "no answer in %ds", 5))
	if !errors.Is(err, &Error{Code: CodeDeadline}) || errors.Is(err, &Error{Code: CodePanic}) {
		t.Errorf("errors.Is does not compare codes of %v", err)
	}
	if !Retryable(err) || Retryable(Errorf(CodeNotFinite, "")) || Retryable(nil) {
		t.Error("Retryable: want deadline only")
	}
	if got := CodeOf(errors.New("x")); got != CodeInternal {
		t.Errorf("got %q, want internal", got)
	}
}
