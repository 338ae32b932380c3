package main

import (
	"encoding/binary"
	"io"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/deconfound/deconfound/sdk/pb/v1"
	"github.com/deconfound/deconfound/sdk/transport"
)

// door takes sessions as sockets, without the SDK: a byte 1 greets the host, then
// every message on the door carries a socket; on that, a frame is four bytes of
// length, little-endian, and a message, and a frame of length 0 is the last.
func door() {
	fd, err := strconv.Atoi(os.Getenv(transport.DoorVariable))
	if err != nil {
		return
	}
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		os.Exit(1)
	}
	go func() {
		for {
			var b [1]byte
			oob := make([]byte, unix.CmsgSpace(4))
			_ = unix.SetNonblock(fd, false)
			n, oobn, _, _, err := unix.Recvmsg(fd, b[:], oob, 0)
			if err != nil || n == 0 {
				return
			}
			messages, err := unix.ParseSocketControlMessage(oob[:oobn])
			if err != nil || len(messages) == 0 {
				os.Exit(1)
			}
			fds, err := unix.ParseUnixRights(&messages[0])
			if err != nil || len(fds) == 0 {
				os.Exit(1)
			}
			go session(os.NewFile(uintptr(fds[0]), "session"))
		}
	}()
}

// session answers the first message and lies to the second.
func session(socket *os.File) {
	defer socket.Close()
	mode := ""
	for {
		m := &pb.HostMessage{}
		if !read(socket, m) {
			return
		}
		if open := m.GetOpenBackbone(); open != nil {
			mode = open.GetHyperparameters()["mode"].GetString_()
			write(socket, &pb.PluginMessage{Sequence: m.Sequence, Reply: &pb.PluginMessage_Open{Open: &pb.OpenResponse{}}})
			continue
		}
		switch mode {
		case "garbage":
			_, _ = socket.Write([]byte{3, 0, 0, 0, 0xff, 0xff, 0xff})
		case "length":
			_, _ = socket.Write([]byte{0xff, 0xff, 0xff, 0xff})
		case "half":
			_, _ = socket.Write([]byte{100, 0, 0, 0, 8})
			os.Exit(5)
		default:
			write(socket, lie(mode, m))
		}
	}
}

func read(socket io.Reader, m proto.Message) bool {
	var header [4]byte
	if _, err := io.ReadFull(socket, header[:]); err != nil {
		return false
	}
	size := binary.LittleEndian.Uint32(header[:])
	if size == 0 || size > math.MaxInt32 {
		return false
	}
	body := make([]byte, size)
	_, err := io.ReadFull(socket, body)
	return err == nil && proto.Unmarshal(body, m) == nil
}

func write(socket io.Writer, m proto.Message) {
	body, err := proto.Marshal(m)
	if err != nil {
		os.Exit(1)
	}
	_, _ = socket.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...))
}
