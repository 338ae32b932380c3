package main

import (
	"context"
	"math"
	"os"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

type sampler struct{ name string }

func (s sampler) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = sdk.Info{Kind: sdk.KindSampler, Name: s.name, Version: "1.0.0", Hyperparameters: hyperparameters}
	return nil
}

func (s sampler) Propose(_ context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
	resp.Point = sdk.Values{"lr": 0.5, "kind": "b"}
	switch req.Hyperparameters.String("mode") {
	case "nan":
		resp.Point["lr"] = math.NaN()
	case "outside":
		resp.Point["lr"] = 1.5
	case "type":
		resp.Point["lr"] = "fast"
	case "choice":
		resp.Point["kind"] = int64(1)
	case "fewer":
		delete(resp.Point, "kind")
	case "more":
		resp.Point["secret"] = "x"
	case "large":
		resp.Point["kind"] = strings.Repeat("x", 8<<20)
	case "none":
		resp.Point = nil
	case "panic":
		panic("no idea")
	case "hang":
		select {}
	case "exit":
		os.Exit(3)
	case "error":
		return sdk.Errorf(sdk.CodeBadRequest, "the space is too small")
	}
	return nil
}
