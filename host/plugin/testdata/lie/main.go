// Program lie is a plugin that serves the wire by hand: it claims tensors outside
// its slots, and sends more than it was told to. Its argument chooses what it does
// to the handshake, from which nothing of the SDK keeps it, and whether it takes
// sessions as sockets.
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk/pb/v1"
	"github.com/deconfound/deconfound/sdk/transport"
)

func main() {
	version := transport.Version
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "garbage":
			garbage(64)
		case "flood":
			garbage(math.MaxInt)
		case "version":
			version++
		case "core":
			fmt.Printf("9|%d|unix|/nowhere|grpc|\n", version)
			select {}
		case "address":
			fmt.Printf("1|%d|unix|/nowhere/at/all|grpc|\n", version)
			select {}
		case "door":
			door()
		}
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  transport.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{version: {transport.ServiceName: raw{}}},
		GRPCServer:       goplugin.DefaultGRPCServer,
	})
}

// garbage prints blocks of 64 KiB without an end of line, then the end and lines
// that look like the handshake at first.
func garbage(blocks int) {
	block := make([]byte, 64<<10)
	for i := range block {
		if block[i] = byte(i * 7); block[i] == '\n' {
			block[i] = 0
		}
	}
	for range blocks {
		if _, err := os.Stdout.Write(block); err != nil {
			os.Exit(1)
		}
	}
	fmt.Print("\n1|1\n|||||\n1|2|udp|x|grpc|\n\n")
}

type raw struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (raw) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterPluginServer(s, &liar{})
	return nil
}

func (raw) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

type liar struct{ pb.UnimplementedPluginServer }

func (*liar) Info(context.Context, *pb.InfoRequest) (*pb.InfoResponse, error) {
	return &pb.InfoResponse{Kind: "backbone", Name: "misbehave", Version: "1", Hyperparameters: []*pb.Hyperparameter{
		{Name: "mode", Type: "string", Default: &pb.Value{Kind: &pb.Value_String_{String_: ""}}},
	}}, nil
}

func (*liar) Session(stream grpc.BidiStreamingServer[pb.HostMessage, pb.PluginMessage]) error {
	mode := ""
	for {
		m, err := stream.Recv()
		if err != nil {
			return nil
		}
		reply := lie(mode, m)
		if open := m.GetOpenBackbone(); open != nil {
			mode = open.GetHyperparameters()["mode"].GetString_()
			reply.Reply = &pb.PluginMessage_Open{Open: &pb.OpenResponse{}}
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

// lie is the answer to a forward.
func lie(mode string, m *pb.HostMessage) *pb.PluginMessage {
	h := &pb.Tensor{Shape: []int64{2, 4}, Storage: &pb.Tensor_Region{Region: &pb.Region{Offset: 1 << 50, Length: 32}}}
	if mode == "large" {
		h = &pb.Tensor{Shape: []int64{2, 4}, Storage: &pb.Tensor_Data{Data: make([]byte, 2<<20)}}
	}
	return &pb.PluginMessage{Sequence: m.Sequence, Reply: &pb.PluginMessage_Forward{Forward: &pb.ForwardResponse{H: h}}}
}
