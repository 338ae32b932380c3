package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/deconfound/deconfound/tracker/pglocal"
)

func main() {
	if pglocal.IsSupervisor() {
		os.Exit(pglocal.Supervise())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
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
