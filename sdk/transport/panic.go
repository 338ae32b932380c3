package transport

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// guard runs f and turns a panic of the author's code into an error that says
// where. The calls that led to it go to standard error, which is the plugin's log.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			calls := panicked()
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", v, list(calls))
			err = sdk.Errorf(sdk.CodePanic, "the plugin panicked%s: %v", culprit(calls), v)
		}
	}()
	return f()
}

// sdkPrefix begins the names of the functions of the SDK, transportPrefix those of
// this package.
const (
	sdkPrefix       = "github.com/deconfound/deconfound/sdk/"
	transportPrefix = sdkPrefix + "transport."
)

// panicked returns the calls from the one that panicked up to those of this
// package, which are of no use to an author. It must be called by the deferred
// function that recovers.
func panicked() []runtime.Frame {
	pc := make([]uintptr, 256)
	frames := runtime.CallersFrames(pc[:runtime.Callers(0, pc)])
	var calls []runtime.Frame
	raised := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			raised, calls = true, nil // a later one is an earlier panic, which this one replaced
		case !raised || f.Function == "" || (len(calls) == 0 && strings.HasPrefix(f.Function, "runtime.")):
		case strings.HasPrefix(f.Function, transportPrefix) && len(calls) > 0:
			return calls
		default:
			calls = append(calls, f)
		}
		if !more {
			return calls
		}
	}
}

// list has two lines a call, as the runtime prints them.
func list(calls []runtime.Frame) string {
	var text strings.Builder
	for _, f := range calls {
		fmt.Fprintf(&text, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return text.String()
}

// culprit is " at FILE:LINE" of the innermost call outside the SDK, whose own
// panics are about how it was called; "" if there is no call.
func culprit(calls []runtime.Frame) string {
	if len(calls) == 0 {
		return ""
	}
	at := calls[0]
	for _, f := range calls {
		if !strings.HasPrefix(f.Function, sdkPrefix) && !strings.HasPrefix(f.Function, "runtime.") {
			at = f
			break
		}
	}
	return fmt.Sprintf(" at %s:%d", filepath.Base(at.File), at.Line)
}
