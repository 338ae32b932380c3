package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/deconfound/deconfound/sdk"
)

const (
	// frameHeader is the size in bytes of the length before every message.
	frameHeader = 4
	// readAhead is what one read takes at most: the control message of a step.
	readAhead = 16 << 10
	// keptFrame is the largest buffer in bytes that is kept for the next message.
	keptFrame = 1 << 20
)

// errBroken says that the other side was gone in the middle of a session.
var errBroken = errors.New("it ended before the session did")

// frames are protobuf messages on a stream of bytes, in both directions: four
// bytes of length, little-endian, and the message. Length 0, which no message of
// a session has, says that none will follow. One goroutine may send while another
// receives.
type frames struct {
	conn  io.Writer
	from  *bufio.Reader
	limit uint64 // largest message in bytes to be received
	out   []byte // buffer of send
	in    []byte // buffer of receive
}

func newFrames(conn io.ReadWriter, limit uint64) *frames {
	return &frames{conn: conn, from: bufio.NewReaderSize(conn, readAhead), limit: limit}
}

// send writes a message.
func (f *frames) send(m proto.Message) error {
	out, err := proto.MarshalOptions{}.MarshalAppend(append(f.out[:0], 0, 0, 0, 0), m)
	if err != nil {
		return err
	}
	size := len(out) - frameHeader
	if size > MaxMessage {
		return sdk.Errorf(sdk.CodeMessageTooLarge, "a message of %d bytes, the limit is %d", size, MaxMessage)
	}
	binary.LittleEndian.PutUint32(out, uint32(size))
	f.out = reusable(out)
	_, err = f.conn.Write(out)
	return err
}

// end says that no message will follow.
func (f *frames) end() error {
	_, err := f.conn.Write(make([]byte, frameHeader))
	return err
}

// receive reads the next message into m. It returns io.EOF after the last one,
// errBroken if the stream stops before, and an error of package sdk for what is
// no message or one above the limit. After an error nothing more can be read.
func (f *frames) receive(m proto.Message) error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(f.from, header[:]); err != nil {
		return broken(err)
	}
	size := uint64(binary.LittleEndian.Uint32(header[:]))
	switch {
	case size == 0:
		return io.EOF
	case size > MaxMessage:
		return sdk.Errorf(sdk.CodeProtocol, "a frame claims %d bytes", size)
	case size > f.limit:
		return sdk.Errorf(sdk.CodeMessageTooLarge, "a message of %d bytes, the limit is %d", size, f.limit)
	}
	// The buffer grows with what arrives, not with what is claimed.
	in := f.in[:0]
	for uint64(len(in)) < size {
		from := len(in)
		if from == cap(in) {
			in = append(in, make([]byte, min(size-uint64(from), uint64(max(from, keptFrame))))...)
		} else {
			in = in[:min(size, uint64(cap(in)))]
		}
		if _, err := io.ReadFull(f.from, in[from:]); err != nil {
			return broken(err)
		}
	}
	f.in = reusable(in)
	if err := proto.Unmarshal(in, m); err != nil {
		return sdk.Errorf(sdk.CodeProtocol, "a frame of %d bytes is no message: %s", size, err)
	}
	return nil
}

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errBroken
	}
	return err
}

// reusable is a buffer for the next message, nil if this one was unusually large.
func reusable(buffer []byte) []byte {
	if cap(buffer) > keptFrame {
		return nil
	}
	return buffer
}
