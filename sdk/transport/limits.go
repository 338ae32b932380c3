package transport

import (
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/deconfound/deconfound/sdk"
)

const (
	// MaxMessage is the size in bytes of the largest message; only snapshots
	// come near it.
	MaxMessage = 1 << 30
	// window is the flow-control window of gRPC: its default of 64 KiB halves
	// the throughput of tensors that travel as bytes.
	window = 8 << 20
	// maxErrorText bounds the text of an error a plugin can make the host keep.
	maxErrorText = 16 << 10
)

// ServerOptions are what a plugin's gRPC server needs: the default receive limit
// of 4 MiB is too small to restore a snapshot.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
	}
}

// DialOptions are what the host's connection needs. limit is the largest message
// in bytes it accepts.
func DialOptions(limit int) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(limit), grpc.MaxCallSendMsgSize(limit)),
		grpc.WithInitialWindowSize(window),
		grpc.WithInitialConnWindowSize(window),
	}
}

// checkSize refuses a message that the other side would not accept, while a
// clear answer is still possible.
func checkSize(m proto.Message, what string, limit uint64) error {
	if size := uint64(proto.Size(m)); size > limit {
		return sdk.Errorf(sdk.CodeMessageTooLarge, "%s takes %d bytes, the limit is %d", what, size, limit)
	}
	return nil
}
