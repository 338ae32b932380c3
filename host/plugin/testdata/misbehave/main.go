// Program misbehave is a plugin that does, on request, what a plugin must not
// do. Flags choose what it does at its start, the hyperparameter "mode" what a
// session does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/serve"
)

// held is memory that stays in use.
var held []byte

// The main thread, which holds the death signal, runs main.
func init() { runtime.LockOSThread() }

func main() {
	start := flag.String("start", "", "what to do at the start")
	name := flag.String("name", "misbehave", "the name to claim")
	hog := flag.Int("hog", 0, "bytes to use, and nothing else")
	flag.Parse()
	if *hog > 0 {
		held = fill(*hog)
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, os.Interrupt) // or the runtime ends a program that has nothing to do
		<-stop
		return
	}
	switch *start {
	case "noise":
		fmt.Println("hello from fmt")
		fmt.Println("1|not|a handshake")
		_, _ = unix.Write(1, []byte("hello from file descriptor 1\n"))
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot load weights")
		os.Exit(7)
	case "silent":
		select {}
	case "quit":
		return
	case "immortal":
		// Only the pipe of the host is left to end this process.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0); err != nil {
			panic(err)
		}
	}
	if strings.HasPrefix(*name, "strategy") {
		serve.Strategy(strategy{name: *name})
		return
	}
	if strings.HasPrefix(*name, "sampler") {
		serve.Sampler(sampler{name: *name})
		return
	}
	serve.Backbone(backbone{name: *name})
}

// fill returns n bytes that are in memory.
func fill(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i)
	}
	return out
}

var hyperparameters = []sdk.Hyperparameter{
	{Name: "mode", Type: sdk.String, Default: "", Text: "what to do"},
	{Name: "size", Type: sdk.Int, Default: 0, Max: 1 << 31, Text: "bytes"},
}

type backbone struct{ name string }

func (b backbone) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = sdk.Info{Kind: sdk.KindBackbone, Name: b.name, Version: "1.0.0", Hyperparameters: hyperparameters,
		Capabilities: sdk.Capabilities{Tasks: []sdk.TaskKind{sdk.Binary}}}
	return nil
}

func (b backbone) Open(_ context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) error {
	switch req.Hyperparameters.String("mode") {
	case "open_error":
		return sdk.Errorf(sdk.CodeBadRequest, "no feature store at %s", req.FeatureStore)
	case "open_hang":
		select {}
	case "store":
		store, err := features.Open(req.FeatureStore)
		if err != nil {
			return err
		}
		resp.Session = &session{open: req, weight: 1, store: store}
		return nil
	}
	resp.Session = &session{open: req, mode: req.Hyperparameters.String("mode"), size: req.Hyperparameters.Int("size"), weight: 1}
	return nil
}

type session struct {
	open   sdk.OpenRequest
	mode   string
	size   int
	weight float32
	rows   int
	hog    []byte
	h      sdk.Tensor // what mode "echo" answers
	store  *features.Store
}

func (s *session) Forward(_ context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	s.rows = len(req.Rows)
	if s.mode == "echo" {
		if s.h.Data == nil {
			s.h = sdk.NewTensor(s.rows, s.open.Width)
		}
		resp.H = s.h
		return nil
	}
	resp.H = sdk.NewTensor(s.rows, s.open.Width)
	for i := range s.rows {
		for j := range s.open.Width {
			resp.H.Data[i*s.open.Width+j] = s.weight * float32(math.Sin(float64(int(req.Rows[i])*31+int(req.Availability[i])*7+j)))
		}
	}
	switch s.mode {
	case "crash":
		for i := range 300 {
			fmt.Fprintf(os.Stderr, "line %d\n", i)
		}
		os.Exit(3)
	case "kill":
		_ = unix.Kill(os.Getpid(), unix.SIGSEGV)
		select {}
	case "hang":
		select {}
	case "stop":
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
	case "panic":
		var none []int
		_ = none[s.rows]
	case "shape":
		resp.H = sdk.NewTensor(s.rows, s.open.Width+1)
	case "ragged":
		resp.H.Data = resp.H.Data[1:]
	case "absent":
		resp.H = sdk.Tensor{}
	case "nan":
		resp.H.Data[s.open.Width+2] = float32(math.NaN())
	case "inf":
		resp.H.Data[0] = float32(math.Inf(-1))
	case "embeddings":
		resp.ModalityEmbeddings = sdk.NewTensor(s.rows, len(s.open.Modalities)+1, 2)
	case "oversized":
		resp.ModalityEmbeddings = sdk.NewTensor(s.rows, len(s.open.Modalities), s.size)
	case "error":
		fmt.Println("the disk is warm")
		return errors.New("disk on fire")
	case "memory":
		s.hog = fill(s.size)
		select {}
	case "child memory":
		if err := exec.Command(os.Args[0], "-hog", strconv.Itoa(s.size)).Start(); err != nil {
			return err
		}
		select {}
	case "keep":
		s.hog = fill(s.size)
	case "print":
		fmt.Println("printed in forward")
		_, _ = unix.Write(1, []byte("written in forward\n"))
	}
	return nil
}

func (s *session) Backward(_ context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
	if s.mode == "echo" {
		return nil
	}
	var sum float64
	for _, g := range req.DH.Data {
		sum += float64(g)
	}
	s.weight -= float32(0.01 * sum)
	resp.GradientNorm = math.Abs(sum)
	switch s.mode {
	case "exit":
		os.Exit(0)
	case "hang_backward":
		select {}
	case "norm":
		resp.GradientNorm = math.NaN()
	case "environment":
		for _, v := range os.Environ() {
			name, value, _ := strings.Cut(v, "=")
			resp.Terms = append(resp.Terms, sdk.Term{Name: name, Value: float64(len(value))})
		}
	case "family":
		// It holds this process's standard error.
		child := exec.Command("sleep", "1000")
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			return err
		}
		resp.Terms = append(resp.Terms, sdk.Term{Name: "child", Value: float64(child.Process.Pid)})
	case "files":
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return err
		}
		for _, e := range entries {
			fd, _ := strconv.Atoi(e.Name())
			target, _ := os.Readlink("/proc/self/fd/" + e.Name())
			resp.Terms = append(resp.Terms, sdk.Term{Name: "fd " + target, Value: float64(fd)})
		}
	}
	return nil
}

func (s *session) Snapshot(_ context.Context, _ sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	resp.Parameters = []sdk.NamedTensor{{Name: "weight", Tensor: sdk.Tensor{Shape: []int{1}, Data: []float32{s.weight}}}}
	resp.State = make([]byte, s.size)
	for i := range resp.State {
		resp.State[i] = byte(i * 7)
	}
	switch s.mode {
	case "twice":
		resp.Parameters = append(resp.Parameters, resp.Parameters[0])
	case "grow":
		resp.Parameters[0].Tensor = sdk.NewTensor(s.rows)
	}
	return nil
}

func (s *session) Restore(_ context.Context, req sdk.RestoreRequest, _ *sdk.RestoreResponse) error {
	for i, b := range req.State {
		if b != byte(i*7) {
			return sdk.Errorf(sdk.CodeBadRequest, "byte %d of the state is wrong", i)
		}
	}
	s.weight = req.Parameters[0].Tensor.Data[0]
	return nil
}

func (s *session) Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error {
	if s.mode == "close_hang" {
		select {}
	}
	if s.store != nil {
		return s.store.Close()
	}
	return nil
}

type strategy struct{ name string }

func (s strategy) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = sdk.Info{Kind: sdk.KindStrategy, Name: s.name, Version: "1.0.0", Hyperparameters: hyperparameters}
	return nil
}

func (s strategy) Open(_ context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	resp.Session = &strategySession{mode: req.Hyperparameters.String("mode")}
	return nil
}

type strategySession struct {
	sdk.Stateless
	mode string
}

func (s *strategySession) Augment(_ context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	resp.Availability = append([]uint64{}, req.Availability...)
	switch s.mode {
	case "more":
		resp.Availability[0] |= 1 << 40
	case "none":
		resp.Availability[0] = 0
	case "fewer":
		resp.Availability = resp.Availability[1:]
	}
	return nil
}

func (s *strategySession) Objective(_ context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	resp.Weights = make([]float32, len(req.Rows))
	for i := range resp.Weights {
		resp.Weights[i] = 2 * req.RowLoss[i]
	}
	resp.DH = sdk.Tensor{Shape: req.H.Shape, Data: req.H.Data}
	switch s.mode {
	case "negative":
		resp.Weights[0] = -1
	case "weights":
		resp.Weights = resp.Weights[1:]
	case "nan":
		resp.Weights[1] = float32(math.NaN())
	case "penalty":
		resp.Penalty = math.Inf(1)
	case "dlogits":
		resp.DLogits = sdk.NewTensor(len(req.Rows), 7)
	case "terms":
		resp.Terms = []sdk.Term{{Name: "", Value: 1}}
	}
	return nil
}
