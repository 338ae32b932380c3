package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Exit codes. They are part of the interface: scripts rely on them.
const (
	exitOK          = 0
	exitFailure     = 1   // the command failed
	exitUsage       = 2   // unknown command, flag or argument
	exitInvalid     = 3   // the sweep or dataset file is wrong; nothing was started
	exitDrift       = 4   // data or plugin differ from what was locked
	exitBudget      = 5   // the sweep paused because its budget is used up
	exitRunsFailed  = 6   // the sweep ended, some of its runs failed
	exitDiffers     = 7   // a run that was trained again does not give the same bits
	exitInterrupted = 130 // stopped by Ctrl-C; the message says how to resume
)

// exitError carries an exit code with its cause.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func withExit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// report prints err, if any, and returns the exit code of the program.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailure
	var coded *exitError
	switch {
	case errors.As(err, &coded):
		code = coded.code
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		code = exitInterrupted
	}
	if text := strings.TrimSpace(err.Error()); text != "" {
		fmt.Fprintf(a.errs, "deconfound: %s\n", text)
	}
	return code
}
