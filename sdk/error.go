package sdk

import (
	"errors"
	"fmt"
)

// Code says what went wrong in a way programs can rely on; the text of an error
// may change, its code does not. The list is append-only: codes cross the wire
// and are stored with runs.
type Code string

const (
	// CodeBadRequest: the caller asked for something the contract forbids, for
	// example a hyperparameter out of range.
	CodeBadRequest Code = "bad_request"
	// CodeBadShape: a tensor or slice has the wrong shape or length.
	CodeBadShape Code = "bad_shape"
	// CodeNotFinite: a NaN or an infinity where a number is needed.
	CodeNotFinite Code = "not_finite"
	// CodeMessageTooLarge: a message is larger than the transport carries.
	CodeMessageTooLarge Code = "message_too_large"
	// CodeProtocol: the other side broke the wire protocol: an unknown message,
	// an offset outside the shared memory, an answer to nothing.
	CodeProtocol Code = "protocol"
	// CodePanic: the plugin author's code panicked; the stack is in the log.
	CodePanic Code = "panic"
	// CodeUnsupported: the plugin cannot do this, for example a modality kind.
	CodeUnsupported Code = "unsupported"
	// CodeInternal: any error without a code of its own.
	CodeInternal Code = "internal"
	// CodeCanceled: the caller gave up.
	CodeCanceled Code = "canceled"
	// CodeDeadline: the plugin did not answer in time and was killed.
	CodeDeadline Code = "deadline"
	// CodePluginCrash: the plugin process ended while it was needed.
	CodePluginCrash Code = "plugin_crash"
	// CodePluginMemory: the plugin process exceeded its memory limit and was
	// killed.
	CodePluginMemory Code = "plugin_memory"
	// CodePluginStart: the plugin process did not start or did not complete the
	// handshake.
	CodePluginStart Code = "plugin_start"
	// CodePluginAltered: the files of a plugin are not those that were locked.
	CodePluginAltered Code = "plugin_altered"
	// CodePluginUnknown: no plugin of that kind and name is installed.
	CodePluginUnknown Code = "plugin_unknown"
	// CodePluginManifest: plugin.toml or the lock file cannot be used.
	CodePluginManifest Code = "plugin_manifest"
	// CodeClosed: the session or process was closed before the call.
	CodeClosed Code = "closed"
)

// Error is an error that keeps its code across the wire.
type Error struct {
	Code    Code
	Message string
	cause   error // stays on this side of the wire
}

// Errorf returns an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an Error that also unwraps to cause, whose text it ends with.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...) + ": " + cause.Error(), cause: cause}
}

// Unwrap returns the cause given to Wrap, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Error is the message alone, so that it reads well when it is wrapped; who
// prints an error to a person adds the code of CodeOf.
func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Code)
	}
	return e.Message
}

// Is makes errors.Is(err, &Error{Code: c}) ask for the code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// CodeOf returns the code of err: "" for nil, internal for an error without
// one.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Retryable reports whether the same work, done again in a fresh process, may
// succeed: the process died, hung or was killed. Wrong answers and refused
// requests are not retryable, because runs are deterministic.
func Retryable(err error) bool {
	switch CodeOf(err) {
	case CodePluginCrash, CodePluginMemory, CodePluginStart, CodeDeadline, CodeClosed:
		return true
	}
	return false
}
