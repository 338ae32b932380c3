package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/deconfound/deconfound/tracker/pglocal"
)

// gcPercent has the collector run when the heap has grown fivefold: a run keeps
// little and allocates much, and the cores are for training. GOGC overrides it.
const gcPercent = 400

func main() {
	if pglocal.IsSupervisor() {
		os.Exit(pglocal.Supervise())
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(execute(interruptible(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// hurryKey is the context's key for the context that ends with the second Ctrl-C.
type hurryKey struct{}

// interruptible ends with the first Ctrl-C. The second ends the context under
// hurryKey, the third kills the program.
func interruptible() context.Context {
	hurry, hurried := context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(context.WithValue(context.Background(), hurryKey{}, hurry))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		hurried()
		signal.Stop(signals)
	}()
	return ctx
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{in: in, out: out, errs: errs}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	a.close()
	return a.report(ctx, err)
}
