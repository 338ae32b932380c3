package sweeps

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/deconfound/deconfound/tracker"
)

// panicError is a RunFunc that panicked.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
func (e *panicError) Code() string  { return CodePanic }
func (e *panicError) Log() string   { return string(e.stack) }

// guard calls f and turns a panic into an error.
func guard(f func() (Slice, error)) (slice Slice, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
	}()
	return f()
}

// specError is a run that this program cannot read.
type specError struct{ error }

func (specError) Code() string { return CodeSpec }

// diskFull reports whether err is that of a disk without room, be it only in words:
// it may come from another process.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), syscall.ENOSPC.Error())
}

// failure describes the error of an attempt.
func failure(err error, retry RetryPolicy) tracker.Failure {
	f := tracker.Failure{Code: CodeError, Message: err.Error()}
	var coded interface{ Code() string }
	var logged interface{ Log() string }
	switch {
	case diskFull(err):
		f.Code = CodeDiskFull
	case errors.As(err, &coded) && coded.Code() != "":
		f.Code = coded.Code()
	case errors.Is(err, context.DeadlineExceeded):
		f.Code = CodeTimeout
	}
	if errors.As(err, &logged) {
		f.Log = logged.Log()
	}
	f.Requeue = slices.Contains(retry.On, f.Code)
	return f
}
